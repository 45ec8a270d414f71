//! What the endpoints take and give, and the checks on what they take.
//!
//! Decimals are JSON strings with the column's scale; times are ISO 8601 in UTC with milliseconds.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::error::Result;
use crate::money;
use crate::validate::Faults;

/// An order of more lines is a mistake, and would make one transaction arbitrarily long.
pub const ITEMS_MAX: usize = 100;
/// More pieces in one line are a mistake; it also keeps quantity × price inside a decimal.
const QUANTITY_MAX: i32 = 1_000_000;
/// The status that MySQL gives an order at first; later ones arrive by `order_updates`.
pub const FIRST_STATUS: &str = "Created";

/// A customer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct User {
    /// Key.
    pub user_id: i64,
    /// Full name.
    pub name: String,
    /// Unique email address.
    pub email: String,
    /// Telephone, if known.
    pub phone: Option<String>,
    /// When the user was created.
    #[serde(serialize_with = "iso")]
    pub created_at: DateTime<Utc>,
}

/// A new customer.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Full name.
    #[schema(example = "Ann Marks")]
    pub name: String,
    /// Unique email address.
    #[schema(example = "ann.marks@example.com")]
    pub email: String,
    /// Telephone, if known.
    #[schema(example = "+1-202-555-0143")]
    pub phone: Option<String>,
}

/// What changes of a customer; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// New name.
    pub name: Option<String>,
    /// New email address.
    pub email: Option<String>,
    /// New telephone; `null` removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, example = "+1-202-555-0199")]
    pub phone: Option<Option<String>>,
}

/// A postal address of a customer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Address {
    /// Key.
    pub address_id: i64,
    /// Whose address it is.
    pub user_id: i64,
    /// Number and street.
    pub street: String,
    /// City.
    pub city: String,
    /// State or region.
    pub state: String,
    /// Postal code.
    pub postal_code: String,
    /// Country.
    pub country: String,
    /// When the address was created.
    #[serde(serialize_with = "iso")]
    pub created_at: DateTime<Utc>,
}

/// A new address.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAddress {
    /// Whose address it is.
    #[schema(example = 1)]
    pub user_id: i64,
    /// Number and street.
    #[schema(example = "560 Cordie Dam")]
    pub street: String,
    /// City.
    #[schema(example = "Nealview")]
    pub city: String,
    /// State or region.
    #[schema(example = "Louisiana")]
    pub state: String,
    /// Postal code.
    #[schema(example = "11434-1806")]
    pub postal_code: String,
    /// Country.
    #[schema(example = "Rwanda")]
    pub country: String,
}

/// What changes of an address; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressChange {
    /// New number and street.
    #[schema(example = "12 Harbour Lane")]
    pub street: Option<String>,
    /// New city.
    pub city: Option<String>,
    /// New state or region.
    pub state: Option<String>,
    /// New postal code.
    pub postal_code: Option<String>,
    /// New country.
    pub country: Option<String>,
}

/// An order as MySQL has it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Order {
    /// Key.
    pub order_id: i64,
    /// Who ordered.
    pub user_id: i64,
    /// Where it goes.
    pub address_id: i64,
    /// Sum of the items.
    #[schema(value_type = String, example = "391.12")]
    pub total: Decimal,
    /// When it was ordered.
    #[serde(serialize_with = "iso")]
    pub order_date: DateTime<Utc>,
    /// The status in MySQL; the latest one is in `/order_details_mv`.
    pub order_status: String,
    /// Always null: the table keeps no time of change. `/order_details_mv` has `last_order_update`.
    pub updated_date: Option<String>,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Item {
    /// Key.
    pub item_id: i64,
    /// What was ordered.
    pub product_name: String,
    /// How many.
    pub quantity: i32,
    /// Price of one.
    #[schema(value_type = String, example = "77.11")]
    pub price: Decimal,
}

/// An order with its items, in item order.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OrderWithItems {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Its lines.
    pub items: Vec<Item>,
}

/// A new order; the server computes the total.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// Who orders.
    #[schema(example = 1)]
    pub user_id: i64,
    /// Where it goes: an address of that user.
    #[schema(example = 1)]
    pub address_id: i64,
    /// At least one line.
    pub items: Vec<NewItem>,
}

/// One line of a new order.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewItem {
    /// What is ordered.
    #[schema(example = "Modern Cotton Hat")]
    pub product_name: String,
    /// How many.
    #[schema(example = 9)]
    pub quantity: i32,
    /// Price of one, as a string with up to two decimals.
    #[schema(value_type = String, example = "77.11")]
    pub price: Decimal,
}

/// What changes of an order's line; the order's total follows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemChange {
    /// New quantity.
    #[schema(example = 3)]
    pub quantity: Option<i32>,
    /// New price of one.
    #[schema(value_type = Option<String>, example = "21.50")]
    pub price: Option<Decimal>,
}

impl NewUser {
    /// Refuses what the table would not take.
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        faults.text(&self.name, "/name", 100);
        faults.email(&self.email, "/email");
        if let Some(phone) = &self.phone {
            faults.text(phone, "/phone", 30);
        }
        faults.finish()
    }
}

impl UserChange {
    /// Refuses what the table would not take, and a change of nothing.
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        faults.require(*self != Self::default(), "", "must change at least one of name, email, phone");
        if let Some(name) = &self.name {
            faults.text(name, "/name", 100);
        }
        if let Some(email) = &self.email {
            faults.email(email, "/email");
        }
        if let Some(Some(phone)) = &self.phone {
            faults.text(phone, "/phone", 30);
        }
        faults.finish()
    }
}

/// The text columns of an address and what each holds.
const ADDRESS_COLUMNS: [(&str, usize); 5] =
    [("/street", 200), ("/city", 100), ("/state", 100), ("/postal_code", 20), ("/country", 100)];

impl NewAddress {
    /// Refuses what the table would not take.
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        faults.id(self.user_id, "/user_id");
        let values = [&self.street, &self.city, &self.state, &self.postal_code, &self.country];
        for (value, (pointer, max)) in values.into_iter().zip(ADDRESS_COLUMNS) {
            faults.text(value, pointer, max);
        }
        faults.finish()
    }
}

impl AddressChange {
    /// Refuses what the table would not take, and a change of nothing.
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        faults.require(*self != Self::default(), "", "must change at least one field");
        let values = [&self.street, &self.city, &self.state, &self.postal_code, &self.country];
        for (value, (pointer, max)) in values.into_iter().zip(ADDRESS_COLUMNS) {
            if let Some(value) = value {
                faults.text(value, pointer, max);
            }
        }
        faults.finish()
    }
}

impl NewOrder {
    /// Refuses what the tables would not take.
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        faults.id(self.user_id, "/user_id");
        faults.id(self.address_id, "/address_id");
        let count = self.items.len();
        faults.require((1..=ITEMS_MAX).contains(&count), "/items", format!("must have 1 to {ITEMS_MAX} items"));
        for (i, item) in self.items.iter().take(ITEMS_MAX).enumerate() {
            faults.text(&item.product_name, &format!("/items/{i}/product_name"), 200);
            check_quantity(&mut faults, item.quantity, &format!("/items/{i}/quantity"));
            check_price(&mut faults, item.price, &format!("/items/{i}/price"));
        }
        faults.require(money::total(&self.items).is_some(), "/items", "must sum to at most 99999999.99");
        faults.finish()
    }
}

impl ItemChange {
    /// Refuses what the table would not take, and a change of nothing.
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        faults.require(*self != Self::default(), "", "must change quantity, price, or both");
        if let Some(quantity) = self.quantity {
            check_quantity(&mut faults, quantity, "/quantity");
        }
        if let Some(price) = self.price {
            check_price(&mut faults, price, "/price");
        }
        faults.finish()
    }
}

fn check_quantity(faults: &mut Faults, quantity: i32, pointer: &str) {
    faults.require((1..=QUANTITY_MAX).contains(&quantity), pointer, format!("must be 1 to {QUANTITY_MAX}"));
}

fn check_price(faults: &mut Faults, price: Decimal, pointer: &str) {
    faults.require(money::fits(price), pointer, "must be 0.00 to 99999999.99 with at most two decimals");
}

/// Writes a time as `2024-09-02T17:21:02.000Z`.
pub(crate) fn iso<S: serde::Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&iso_text(time))
}

/// Writes a time as [`iso`] does, or null.
pub(crate) fn iso_option<S: serde::Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    time.as_ref().map(iso_text).serialize(serializer)
}

fn iso_text(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Tells a field that is null from one that is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn null_and_absent_differ() {
        let absent: UserChange = serde_json::from_str(r#"{"name":"Ann"}"#).unwrap();
        let null: UserChange = serde_json::from_str(r#"{"phone":null}"#).unwrap();
        assert_eq!((absent.phone, null.phone), (None, Some(None)));
        assert!(UserChange::default().check().is_err());
    }

    #[test]
    fn orders_print_as_documented() {
        let order = Order {
            order_id: 1,
            user_id: 1,
            address_id: 1,
            total: "21.50".parse().unwrap(),
            order_date: "2024-09-02T17:21:02Z".parse().unwrap(),
            order_status: FIRST_STATUS.into(),
            updated_date: None,
        };
        assert_eq!(
            serde_json::to_string(&order).unwrap(),
            r#"{"order_id":1,"user_id":1,"address_id":1,"total":"21.50","order_date":"2024-09-02T17:21:02.000Z","order_status":"Created","updated_date":null}"#
        );
    }

    #[test]
    fn a_bad_order_names_each_value() {
        let order: NewOrder = serde_json::from_str(
            r#"{"user_id":1,"address_id":-1,"items":[{"product_name":"Hat","quantity":0,"price":"1.999"}]}"#,
        )
        .unwrap();
        let Err(Error::Invalid(errors)) = order.check() else { panic!("must be refused") };
        let pointers: Vec<_> = errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["/address_id", "/items/0/quantity", "/items/0/price"]);
    }

    #[test]
    fn prices_may_be_strings_or_numbers() {
        let item: NewItem = serde_json::from_str(r#"{"product_name":"Hat","quantity":1,"price":77.11}"#).unwrap();
        assert_eq!(item.price.to_string(), "77.11");
    }
}
