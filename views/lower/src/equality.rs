//! Equalities that rows can be found by.

use tidewater_functions::{CastMethod, cast};
use tidewater_query::plan::{self, Scalar, Test};
use tidewater_types::{ColumnType, Packing, Type};

/// `left = right`, or `left IS NOT DISTINCT FROM right`.
pub(crate) struct Found<'s> {
    pub(crate) left: &'s Scalar,
    pub(crate) right: &'s Scalar,
    pub(crate) nulls_equal: bool,
}

/// How two columns are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// By their packed bytes.
    Packed,
    /// By their key forms.
    Key,
}

/// The sides of a condition that is true exactly where they are equal.
pub(crate) fn of(scalar: &Scalar) -> Option<Found<'_>> {
    match scalar {
        Scalar::Not(inner) => match &**inner {
            Scalar::Distinct(left, right) => Some(Found { left, right, nulls_equal: true }),
            _ => None,
        },
        // As a condition unknown is false.
        Scalar::Is(Test::True, inner) => of(inner),
        other => plan::equality(other).map(|(left, right)| Found { left, right, nulls_equal: false }),
    }
}

/// How values of these types are compared for equality, if it is by bytes of either form.
pub(crate) fn form(a: &ColumnType, b: &ColumnType) -> Option<Form> {
    let alike = |types: &[Type]| types.contains(&a.ty) && types.contains(&b.ty);
    let same = a.ty == b.ty || alike(&[Type::Int2, Type::Int4, Type::Int8]) || alike(&[Type::Text, Type::Varchar]);
    if same && a.key_is_packed() && b.key_is_packed() && Packing::of(a) == Packing::of(b) {
        return Some(Form::Packed);
    }
    (a.ty == b.ty || alike(&[Type::Float4, Type::Float8])).then_some(Form::Key)
}

/// The scalar without casts that change neither the value's bytes nor what is equal to it.
pub(crate) fn bare(scalar: &Scalar) -> &Scalar {
    let Scalar::Cast(written) = scalar else { return scalar };
    let (from, to) = (written.input.ty(), &written.ty);
    let widens = matches!((&from.ty, &to.ty), (Type::Int2, Type::Int4 | Type::Int8) | (Type::Int4, Type::Int8));
    let relabels = to.modifier < 0
        && matches!((&from.ty, &to.ty), (Type::Text | Type::Varchar, Type::Text | Type::Varchar))
        && cast(&from.ty, &to.ty).is_some_and(|cast| cast.method == CastMethod::Binary);
    if widens || relabels { bare(&written.input) } else { scalar }
}
