//! How a column's values lie in a packed row.
//!
//! Identity is bytes: two values of a column have the same packed bytes exactly if they print the same, so that rows are retracted
//! by them. Where equal values always print the same, too, the packed bytes are also the key: [`ColumnType::key_is_packed`].

use tidewater_delta::{RowBuilder, RowRef, Width};

use crate::datum::{interval, interval_bytes, timetz, timetz_bytes};
use crate::{
    ArrayRef, ColumnType, Datum, JsonbRef, ListRef, MapRef, MultirangeRef, Numeric, NumericBuf, RangeOf, RangeRef,
    RecordRef, Type,
};

/// Digits of a numeric that always fit the slot.
const SLOT_DIGITS: i32 = 18;
/// NaN among the numerics in slots.
const SLOT_NAN: i64 = i64::MIN;

/// The form of a column's values. The first five fill the slot, the others lie in the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// 0 or 1.
    Bool,
    /// [`Datum::Int`].
    Int,
    /// uint8.
    UInt,
    /// The bits of a double: -0 and every NaN stay what they are printed as.
    Float,
    /// numeric(p, s) of at most 18 digits: the whole number at this scale.
    Decimal(u16),
    /// Any other numeric.
    Numeric,
    /// Months, days, microseconds.
    Interval,
    /// Microseconds and offset.
    TimeTz,
    /// 16 bytes.
    Uuid,
    /// The text family, json.
    Text,
    /// bytea.
    Bytes,
    /// jsonb.
    Jsonb,
    /// Arrays, int2vector, oidvector.
    Array,
    /// A list.
    List,
    /// A map.
    Map,
    /// A row.
    Record,
    /// A range.
    Range,
    /// A multirange.
    Multirange,
}

impl Packing {
    /// The form of a column of type `ty`.
    pub fn of(ty: &ColumnType) -> Packing {
        match &ty.ty {
            Type::Bool => Packing::Bool,
            Type::UInt8 => Packing::UInt,
            Type::Float4 | Type::Float8 => Packing::Float,
            Type::Numeric => match ty.numeric_modifier() {
                Some(m) if i32::from(m.precision) + (-i32::from(m.scale)).max(0) <= SLOT_DIGITS => {
                    Packing::Decimal(m.scale.max(0) as u16)
                }
                _ => Packing::Numeric,
            },
            Type::Interval => Packing::Interval,
            Type::TimeTz => Packing::TimeTz,
            Type::Uuid => Packing::Uuid,
            Type::Bytea => Packing::Bytes,
            Type::Jsonb => Packing::Jsonb,
            Type::Array(_) | Type::Int2Vector | Type::OidVector => Packing::Array,
            Type::List(_) => Packing::List,
            Type::Map(_) => Packing::Map,
            Type::Record(_) => Packing::Record,
            Type::Range(_) => Packing::Range,
            Type::Multirange(_) => Packing::Multirange,
            ty if ty.is_text() || *ty == Type::Void => Packing::Text,
            _ => Packing::Int,
        }
    }

    /// Whether values lie in the tail.
    pub fn is_tail(self) -> bool {
        use Packing as P;
        !matches!(self, P::Bool | P::Int | P::UInt | P::Float | P::Decimal(_))
    }

    /// What a [`RowBuilder`] has to know of the column.
    pub fn width(self) -> Width {
        if self.is_tail() { Width::Variable } else { Width::Fixed }
    }

    /// Sets column `i`, whose type has this form, to `datum`. A numeric of another scale than the column's is rounded.
    pub fn set(self, row: &mut RowBuilder, i: usize, datum: &Datum<'_>) {
        match datum {
            // A column that is not set is NULL, but it may have been set before.
            Datum::Null => row.set_null(i),
            Datum::Bool(value) => row.set_slot(i, u64::from(*value)),
            Datum::Int(value) => row.set_slot(i, *value as u64),
            Datum::UInt(value) => row.set_slot(i, *value),
            Datum::Float(value) => row.set_slot(i, if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }),
            Datum::Numeric(value) => match self {
                Packing::Decimal(scale) => row.set_slot(i, slot(*value, scale) as u64),
                _ => {
                    let start = row.begin_tail();
                    value.pack(row.tail_buffer());
                    row.end_tail(i, start);
                }
            },
            Datum::Interval(value) => row.set_tail(i, &interval_bytes(*value)),
            Datum::TimeTz(value) => row.set_tail(i, &timetz_bytes(*value)),
            Datum::Uuid(value) => row.set_tail(i, value),
            Datum::Text(bytes) | Datum::Bytes(bytes) => row.set_tail(i, bytes),
            Datum::Jsonb(value) => row.set_tail(i, value.bytes()),
            Datum::Array(value) => row.set_tail(i, value.bytes()),
            Datum::List(value) => row.set_tail(i, value.bytes()),
            Datum::Map(value) => row.set_tail(i, value.bytes()),
            Datum::Record(value) => row.set_tail(i, value.bytes()),
            Datum::Range(value) => row.set_tail(i, value.bytes()),
            Datum::Multirange(value) => row.set_tail(i, value.bytes()),
        }
    }

    /// The value of column `i`, whose type has this form.
    #[inline]
    pub fn get<'a>(self, row: RowRef<'a>, i: usize) -> Datum<'a> {
        if row.is_null(i) {
            return Datum::Null;
        }
        match self {
            Packing::Bool => Datum::Bool(row.slot(i) != 0),
            Packing::Int => Datum::Int(row.slot(i) as i64),
            Packing::UInt => Datum::UInt(row.slot(i)),
            Packing::Float => Datum::Float(f64::from_bits(row.slot(i))),
            Packing::Decimal(scale) => match row.slot(i) as i64 {
                SLOT_NAN => Datum::Numeric(Numeric::NaN),
                value => Datum::Numeric(Numeric::Small(value.into(), scale)),
            },
            Packing::Numeric => Datum::Numeric(Numeric::unpack(row.tail(i))),
            Packing::Interval => Datum::Interval(interval(row.tail(i))),
            Packing::TimeTz => Datum::TimeTz(timetz(row.tail(i))),
            Packing::Uuid => {
                let mut uuid = [0; 16];
                uuid.copy_from_slice(row.tail(i));
                Datum::Uuid(uuid)
            }
            Packing::Text => Datum::Text(row.tail(i)),
            Packing::Bytes => Datum::Bytes(row.tail(i)),
            Packing::Jsonb => Datum::Jsonb(JsonbRef::new(row.tail(i))),
            Packing::Array => Datum::Array(ArrayRef::new(row.tail(i))),
            Packing::List => Datum::List(ListRef::new(row.tail(i))),
            Packing::Map => Datum::Map(MapRef::new(row.tail(i))),
            Packing::Record => Datum::Record(RecordRef::new(row.tail(i))),
            Packing::Range => Datum::Range(RangeRef::new(row.tail(i))),
            Packing::Multirange => Datum::Multirange(MultirangeRef::new(row.tail(i))),
        }
    }
}

/// The whole number at `scale`.
fn slot(value: Numeric<'_>, scale: u16) -> i64 {
    let whole = match value {
        Numeric::NaN => return SLOT_NAN,
        Numeric::Small(mantissa, own) if own == scale => Some(mantissa),
        _ => match value.round(i32::from(scale)) {
            Ok(NumericBuf::Small(mantissa, _)) => Some(mantissa),
            _ => None,
        },
    };
    // A value that is stored has been through `apply_modifier`, which refuses more digits and infinities; a wrong number in a row
    // would be worse than this.
    let fitting = whole.and_then(|whole| i64::try_from(whole).ok()).filter(|whole| *whole != SLOT_NAN);
    fitting.expect("a value of numeric(p, s) has no more than p digits")
}

impl ColumnType {
    /// Whether two values of this very type are equal exactly if their packed bytes are: then these are the key, and a row need
    /// not be taken apart to be found.
    pub fn key_is_packed(&self) -> bool {
        match &self.ty {
            Type::Numeric => matches!(Packing::of(self), Packing::Decimal(_)),
            Type::Float4 | Type::Float8 | Type::Interval | Type::Bpchar | Type::Jsonb => false,
            Type::Array(_) | Type::List(_) | Type::Map(_) => {
                // Inside of other values a numeric keeps its own scale.
                self.element().is_none_or(|element| ColumnType::from(element.ty).key_is_packed())
            }
            Type::Record(record) => record.fields.iter().all(|(_, ty)| ColumnType::from(ty.ty.clone()).key_is_packed()),
            Type::Range(of) | Type::Multirange(of) => *of != RangeOf::Numeric,
            _ => true,
        }
    }
}
