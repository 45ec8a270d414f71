//! The stack: what is nested deeply is walked on a stack that grows.

/// Below this much left, the stack grows: more than what any function here needs between two looks at it.
const LEFT_BYTES: usize = 256 << 10;
/// By this much.
const MORE_BYTES: usize = 4 << 20;
/// For a whole plan, whose walks do not look at the stack: a thousand levels of several nodes each.
const PLAN_BYTES: usize = 64 << 20;

/// `f`, on more stack if there is little left.
pub(crate) fn grown<T>(f: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(LEFT_BYTES, MORE_BYTES, f)
}

/// `f`, which walks a tree of this depth, on a stack that is enough for it.
pub(crate) fn enough<T>(depth: usize, f: impl FnOnce() -> T) -> T {
    // Plain queries are not so deep and pay nothing.
    const SHALLOW: usize = 30;
    if depth <= SHALLOW { f() } else { stacker::grow(PLAN_BYTES, f) }
}

/// `f`, which walks a plan, on a stack that is enough for it.
pub fn walking<T>(plan: &crate::Plan, f: impl FnOnce() -> T) -> T {
    enough(plan.rel.depth(), f)
}
