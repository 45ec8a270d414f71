//! Money as MySQL keeps it: DECIMAL(10,2), exact, printed with both decimals ("21.50").
//!
//! Promise: no amount leaves this module with more than two decimals or outside what the column can hold.

use rust_decimal::Decimal;

use crate::model::NewItem;

/// Decimals of every amount.
const SCALE: u32 = 2;
/// What DECIMAL(10,2) can hold.
const MAX: Decimal = Decimal::from_parts(1_410_065_407, 2, 0, false, SCALE);

/// True for an amount that the column stores unchanged.
#[must_use]
pub fn fits(amount: Decimal) -> bool {
    amount >= Decimal::ZERO && amount <= MAX && amount.normalize().scale() <= SCALE
}

/// The same amount with exactly two decimals.
#[must_use]
pub fn scaled(mut amount: Decimal) -> Decimal {
    amount.rescale(SCALE);
    amount
}

/// Sum of quantity × price; `None` when the orders' column could not hold it.
#[must_use]
pub fn total(items: &[NewItem]) -> Option<Decimal> {
    let mut sum = Decimal::ZERO;
    for item in items {
        sum = sum.checked_add(item.price.checked_mul(Decimal::from(item.quantity))?)?;
    }
    fits(sum).then(|| scaled(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(quantity: i32, price: &str) -> NewItem {
        NewItem { product_name: "Hat".into(), quantity, price: price.parse().unwrap() }
    }

    #[test]
    fn totals_are_exact_and_keep_the_scale() {
        assert_eq!(total(&[item(9, "77.11")]).unwrap().to_string(), "693.99");
        assert_eq!(total(&[item(1, "21.5")]).unwrap().to_string(), "21.50");
        assert_eq!(total(&[item(3, "0.10"), item(1, "0.2")]).unwrap().to_string(), "0.50");
        assert_eq!(total(&[]).unwrap().to_string(), "0.00");
    }

    #[test]
    fn the_column_is_the_limit() {
        assert_eq!(MAX.to_string(), "99999999.99");
        assert!(total(&[item(1, "99999999.99")]).is_some());
        assert!(total(&[item(1, "99999999.99"), item(1, "0.01")]).is_none());
        assert!(!fits("1.001".parse().unwrap()) && fits("1.100".parse().unwrap()) && !fits("-1".parse().unwrap()));
    }
}
