//! Ways over a plan's trees: children, scalars, column numbers. Rewrites are made of these.

use std::collections::{BTreeSet, HashMap};

use super::{
    Aggregate, Columns, FrameBound, Id, JoinKind, LetId, Rel, Scalar, SubqueryKind, SubscriptPart, WindowCall,
};

impl Scalar {
    /// Calls `f` with each scalar directly below; of a subquery with the scalar that compares its rows, not with its relation.
    pub fn for_each_child_mut(&mut self, f: &mut dyn FnMut(&mut Scalar)) {
        match self {
            Scalar::Column(..) | Scalar::Literal(_) | Scalar::Unknown(..) | Scalar::Parameter(..) => {}
            Scalar::Call(call) => call.args.iter_mut().for_each(f),
            Scalar::Cast(cast) => f(&mut cast.input),
            Scalar::And(parts) | Scalar::Or(parts) | Scalar::Coalesce(parts) | Scalar::Extreme(_, parts) => {
                parts.iter_mut().for_each(f);
            }
            Scalar::Array(parts, ..) | Scalar::Row(parts, _) => parts.iter_mut().for_each(f),
            Scalar::Not(inner) | Scalar::Is(_, inner) | Scalar::Field(inner, ..) => f(inner),
            Scalar::Distinct(a, b) | Scalar::NullIf(a, b) => {
                f(a);
                f(b);
            }
            Scalar::Case(case) => {
                for (condition, value) in &mut case.branches {
                    f(condition);
                    f(value);
                }
                f(&mut case.otherwise);
            }
            Scalar::Subscript(subscript) => {
                f(&mut subscript.base);
                for part in &mut subscript.parts {
                    match part {
                        SubscriptPart::Index(index) => f(index),
                        SubscriptPart::Slice(from, to) => from.iter_mut().chain(to).for_each(&mut *f),
                    }
                }
            }
            Scalar::Quantified(quantified) => {
                f(&mut quantified.left);
                f(&mut quantified.array);
            }
            Scalar::Subquery(subquery) => {
                if let SubqueryKind::Any(test) = &mut subquery.kind {
                    f(test);
                }
            }
        }
    }

    /// [`Scalar::for_each_child_mut`] without the right to change.
    pub fn for_each_child(&self, f: &mut dyn FnMut(&Scalar)) {
        match self {
            Scalar::Column(..) | Scalar::Literal(_) | Scalar::Unknown(..) | Scalar::Parameter(..) => {}
            Scalar::Call(call) => call.args.iter().for_each(f),
            Scalar::Cast(cast) => f(&cast.input),
            Scalar::And(parts) | Scalar::Or(parts) | Scalar::Coalesce(parts) | Scalar::Extreme(_, parts) => {
                parts.iter().for_each(f);
            }
            Scalar::Array(parts, ..) | Scalar::Row(parts, _) => parts.iter().for_each(f),
            Scalar::Not(inner) | Scalar::Is(_, inner) | Scalar::Field(inner, ..) => f(inner),
            Scalar::Distinct(a, b) | Scalar::NullIf(a, b) => {
                f(a);
                f(b);
            }
            Scalar::Case(case) => {
                for (condition, value) in &case.branches {
                    f(condition);
                    f(value);
                }
                f(&case.otherwise);
            }
            Scalar::Subscript(subscript) => {
                f(&subscript.base);
                for part in &subscript.parts {
                    match part {
                        SubscriptPart::Index(index) => f(index),
                        SubscriptPart::Slice(from, to) => from.iter().chain(to).for_each(&mut *f),
                    }
                }
            }
            Scalar::Quantified(quantified) => {
                f(&quantified.left);
                f(&quantified.array);
            }
            Scalar::Subquery(subquery) => {
                if let SubqueryKind::Any(test) = &subquery.kind {
                    f(test);
                }
            }
        }
    }

    /// Whether `f` is true of this or of a scalar in it, subqueries' relations left out.
    pub fn any(&self, f: &mut dyn FnMut(&Scalar) -> bool) -> bool {
        if f(self) {
            return true;
        }
        let mut found = false;
        self.for_each_child(&mut |child| found = found || child.any(f));
        found
    }

    /// Calls `f` with every scalar in it, the innermost first, those in subqueries' relations too.
    pub fn rewrite(&mut self, f: &mut dyn FnMut(&mut Scalar)) {
        self.for_each_child_mut(&mut |child| child.rewrite(f));
        if let Scalar::Subquery(subquery) = self {
            subquery.rel.rewrite_scalars(f);
        }
        f(self);
    }

    /// Calls `f` with every column number in it.
    pub fn for_each_id_mut(&mut self, f: &mut dyn FnMut(&mut Id)) {
        if let Scalar::Column(id, _) = self {
            f(id);
        }
        self.for_each_child_mut(&mut |child| child.for_each_id_mut(f));
        if let Scalar::Subquery(subquery) = self {
            subquery.rel.for_each_id_mut(f);
            subquery.columns.iter_mut().for_each(f);
        }
    }

    /// The columns that it reads, of its input or of queries around; not those that its subqueries make themselves.
    pub fn free(&self) -> BTreeSet<Id> {
        let mut free = BTreeSet::new();
        self.collect_free(&mut free);
        free
    }

    fn collect_free(&self, free: &mut BTreeSet<Id>) {
        match self {
            Scalar::Column(id, _) => {
                free.insert(*id);
            }
            Scalar::Subquery(subquery) => {
                let mut inner = subquery.rel.free();
                if let SubqueryKind::Any(test) = &subquery.kind {
                    test.collect_free(&mut inner);
                }
                for id in &subquery.columns {
                    inner.remove(id);
                }
                free.extend(inner);
            }
            other => other.for_each_child(&mut |child| child.collect_free(free)),
        }
    }

    /// Whether it has a subquery.
    pub fn has_subquery(&self) -> bool {
        self.any(&mut |scalar| matches!(scalar, Scalar::Subquery(_)))
    }

    /// Puts scalars in the place of columns.
    pub fn substitute(&mut self, with: &HashMap<Id, Scalar>) {
        self.rewrite(&mut |scalar| {
            if let Scalar::Column(id, _) = scalar
                && let Some(new) = with.get(id)
            {
                *scalar = new.clone();
            }
        });
    }
}

impl Aggregate {
    /// Calls `f` with its arguments, filter and order.
    pub fn for_each_scalar_mut(&mut self, f: &mut dyn FnMut(&mut Scalar)) {
        self.call.args.iter_mut().chain(&mut self.filter).for_each(&mut *f);
        self.order.iter_mut().for_each(|key| f(&mut key.scalar));
    }
}

impl WindowCall {
    /// Calls `f` with its arguments, filter, partition, order and frame.
    pub fn for_each_scalar_mut(&mut self, f: &mut dyn FnMut(&mut Scalar)) {
        self.call.args.iter_mut().chain(&mut self.filter).chain(&mut self.partition).for_each(&mut *f);
        self.order.iter_mut().for_each(|key| f(&mut key.scalar));
        for bound in [&mut self.frame.start, &mut self.frame.end] {
            if let FrameBound::Preceding(offset) | FrameBound::Following(offset) = bound {
                f(offset);
            }
        }
    }
}

impl Scalar {
    /// How many levels there are, those of subqueries added.
    pub(crate) fn depth(&self) -> usize {
        let mut below = 0;
        self.for_each_child(&mut |child| below = below.max(crate::stack::grown(|| child.depth())));
        if let Scalar::Subquery(subquery) = self {
            below += subquery.rel.depth();
        }
        below + 1
    }
}

impl Rel {
    /// How many levels there are, those of scalars added.
    pub(crate) fn depth(&self) -> usize {
        let own = self.scalars().into_iter().map(Scalar::depth).max().unwrap_or(0);
        let below = self.inputs().into_iter().map(|input| crate::stack::grown(|| input.depth())).max();
        own + below.unwrap_or(0) + 1
    }

    /// The relations directly below.
    pub fn inputs(&self) -> Vec<&Rel> {
        match self {
            Rel::Get(_) | Rel::Values { .. } | Rel::Ref { .. } => Vec::new(),
            Rel::Map { input, .. } | Rel::Filter { input, .. } | Rel::Project { input, .. } => vec![input],
            Rel::Reduce { input, .. } | Rel::Window { input, .. } | Rel::FlatMap { input, .. } => vec![input],
            Rel::TopK(top) => vec![&top.input],
            Rel::Join(join) => vec![&join.left, &join.right],
            Rel::Union { inputs, .. } => inputs.iter().map(|(rel, _)| rel).collect(),
            Rel::Count(count) => vec![&count.left.0, &count.right.0],
            Rel::Let(binding) => vec![&binding.value, &binding.body],
            Rel::LetRec(binding) => vec![&binding.base.0, &binding.step.0, &binding.body],
        }
    }

    /// [`Rel::inputs`] with the right to change.
    pub fn inputs_mut(&mut self) -> Vec<&mut Rel> {
        match self {
            Rel::Get(_) | Rel::Values { .. } | Rel::Ref { .. } => Vec::new(),
            Rel::Map { input, .. } | Rel::Filter { input, .. } | Rel::Project { input, .. } => vec![input],
            Rel::Reduce { input, .. } | Rel::Window { input, .. } | Rel::FlatMap { input, .. } => vec![input],
            Rel::TopK(top) => vec![&mut top.input],
            Rel::Join(join) => vec![&mut join.left, &mut join.right],
            Rel::Union { inputs, .. } => inputs.iter_mut().map(|(rel, _)| rel).collect(),
            Rel::Count(count) => vec![&mut count.left.0, &mut count.right.0],
            Rel::Let(binding) => vec![&mut binding.value, &mut binding.body],
            Rel::LetRec(binding) => vec![&mut binding.base.0, &mut binding.step.0, &mut binding.body],
        }
    }

    /// Calls `f` with each scalar of this node, not of the nodes below.
    pub fn for_each_scalar_mut(&mut self, f: &mut dyn FnMut(&mut Scalar)) {
        match self {
            Rel::Values { rows, .. } => rows.iter_mut().flatten().for_each(f),
            Rel::Map { scalars, .. } => scalars.iter_mut().for_each(|(_, scalar)| f(scalar)),
            Rel::Filter { predicates, .. } => predicates.iter_mut().for_each(f),
            Rel::Join(join) => join.on.iter_mut().for_each(f),
            Rel::Reduce { aggregates, .. } => aggregates.iter_mut().for_each(|(_, call)| call.for_each_scalar_mut(f)),
            Rel::TopK(top) => top.limit.iter_mut().chain(&mut top.offset).for_each(f),
            Rel::Window { calls, .. } => calls.iter_mut().for_each(|(_, call)| call.for_each_scalar_mut(f)),
            Rel::FlatMap { calls, .. } => calls.iter_mut().flat_map(|(_, call)| &mut call.args).for_each(f),
            Rel::Get(_) | Rel::Project { .. } | Rel::Union { .. } | Rel::Count(_) => {}
            Rel::Let(_) | Rel::LetRec(_) | Rel::Ref { .. } => {}
        }
    }

    /// The scalars of this node, not of the nodes below.
    pub fn scalars(&self) -> Vec<&Scalar> {
        match self {
            Rel::Values { rows, .. } => rows.iter().flatten().collect(),
            Rel::Map { scalars, .. } => scalars.iter().map(|(_, scalar)| scalar).collect(),
            Rel::Filter { predicates, .. } => predicates.iter().collect(),
            Rel::Join(join) => join.on.iter().collect(),
            Rel::Reduce { aggregates, .. } => aggregates
                .iter()
                .flat_map(|(_, a)| a.call.args.iter().chain(&a.filter).chain(a.order.iter().map(|key| &key.scalar)))
                .collect(),
            Rel::TopK(top) => top.limit.iter().chain(&top.offset).collect(),
            Rel::Window { calls, .. } => {
                let mut scalars = Vec::new();
                for (_, window) in calls {
                    scalars.extend(window.call.args.iter().chain(&window.filter));
                    for bound in [&window.frame.start, &window.frame.end] {
                        if let FrameBound::Preceding(offset) | FrameBound::Following(offset) = bound {
                            scalars.push(offset);
                        }
                    }
                }
                scalars
            }
            Rel::FlatMap { calls, .. } => calls.iter().flat_map(|(_, call)| &call.args).collect(),
            Rel::Get(_) | Rel::Project { .. } | Rel::Union { .. } | Rel::Count(_) => Vec::new(),
            Rel::Let(_) | Rel::LetRec(_) | Rel::Ref { .. } => Vec::new(),
        }
    }

    /// Calls [`Scalar::rewrite`] on every scalar of this node and of all below.
    pub fn rewrite_scalars(&mut self, f: &mut dyn FnMut(&mut Scalar)) {
        self.for_each_scalar_mut(&mut |scalar| scalar.rewrite(f));
        for input in self.inputs_mut() {
            input.rewrite_scalars(f);
        }
    }

    /// Calls `f` with every node, those below first, those in subqueries too.
    pub fn rewrite(&mut self, f: &mut dyn FnMut(&mut Rel)) {
        for input in self.inputs_mut() {
            input.rewrite(f);
        }
        self.for_each_scalar_mut(&mut |scalar| {
            scalar.rewrite(&mut |inner| {
                if let Scalar::Subquery(subquery) = inner {
                    subquery.rel.rewrite(f);
                }
            });
        });
        f(self);
    }

    /// Whether `f` is true of a node of it, subqueries left out.
    pub fn any(&self, f: &mut dyn FnMut(&Rel) -> bool) -> bool {
        f(self) || self.inputs().into_iter().any(|input| input.any(f))
    }

    /// Calls `f` with every column number, where it is made and where it is read, subqueries included.
    pub fn for_each_id_mut(&mut self, f: &mut dyn FnMut(&mut Id)) {
        match self {
            Rel::Get(get) => get.columns.iter_mut().for_each(|(_, id)| f(id)),
            Rel::Values { columns, .. } | Rel::Project { columns, .. } | Rel::Ref { columns, .. } => {
                columns.iter_mut().for_each(&mut *f);
            }
            Rel::Map { scalars, .. } => scalars.iter_mut().for_each(|(id, _)| f(id)),
            Rel::Filter { .. } => {}
            Rel::Join(join) => {
                if let JoinKind::Mark(id) = &mut join.kind {
                    f(id);
                }
            }
            Rel::Reduce { keys, aggregates, .. } => {
                keys.iter_mut().chain(aggregates.iter_mut().map(|(id, _)| id)).for_each(&mut *f);
            }
            Rel::TopK(top) => {
                top.partition.iter_mut().chain(top.order.iter_mut().map(|order| &mut order.id)).for_each(&mut *f);
            }
            Rel::Window { partition, order, calls, .. } => {
                let made = calls.iter_mut().map(|(id, _)| id);
                partition.iter_mut().chain(order.iter_mut().map(|order| &mut order.id)).chain(made).for_each(&mut *f);
            }
            Rel::Union { columns, inputs } => {
                columns.iter_mut().chain(inputs.iter_mut().flat_map(|(_, ids)| ids)).for_each(&mut *f);
            }
            Rel::Count(count) => {
                let sides = count.left.1.iter_mut().chain(&mut count.right.1);
                count.columns.iter_mut().chain(sides).for_each(&mut *f);
            }
            Rel::FlatMap { calls, ordinality, .. } => {
                calls.iter_mut().flat_map(|(ids, _)| ids).chain(ordinality).for_each(&mut *f);
            }
            Rel::Let(binding) => binding.columns.iter_mut().for_each(&mut *f),
            Rel::LetRec(binding) => {
                let sides = binding.base.1.iter_mut().chain(&mut binding.step.1);
                binding.columns.iter_mut().chain(sides).for_each(&mut *f);
            }
        }
        self.for_each_scalar_mut(&mut |scalar| scalar.for_each_id_mut(f));
        for input in self.inputs_mut() {
            input.for_each_id_mut(f);
        }
    }

    /// The columns that it reads without making them: a query around it does.
    pub fn free(&self) -> BTreeSet<Id> {
        let mut free: BTreeSet<Id> = self.scalars().into_iter().flat_map(Scalar::free).collect();
        for input in self.inputs() {
            free.extend(input.free());
        }
        for input in self.inputs() {
            for id in input.columns() {
                free.remove(&id);
            }
        }
        free
    }

    /// Replaces columns by scalars wherever a scalar reads them.
    pub fn substitute(&mut self, with: &HashMap<Id, Scalar>) {
        self.for_each_scalar_mut(&mut |scalar| scalar.substitute(with));
        for input in self.inputs_mut() {
            input.substitute(with);
        }
    }

    /// Gives every column that it makes itself a new number, so that it can stand beside its origin; says the new ones.
    pub fn renumber(&mut self, columns: &mut Columns) -> HashMap<Id, Id> {
        let free = self.free();
        let mut new = HashMap::new();
        self.for_each_id_mut(&mut |id| {
            if !free.contains(id) {
                *id = *new.entry(*id).or_insert_with(|| columns.copy(*id));
            }
        });
        new
    }

    /// The uses of each [`Rel::Let`], by its number, subqueries included.
    pub fn uses(&mut self) -> HashMap<LetId, usize> {
        let mut uses = HashMap::new();
        self.rewrite(&mut |rel| {
            if let Rel::Ref { id, .. } = rel {
                *uses.entry(*id).or_insert(0) += 1;
            }
        });
        uses
    }
}
