//! Realistic values from a seed: names, addresses, products, prices.

use rust_decimal::Decimal;

use crate::model::{NewAddress, NewItem, NewUser};

/// A small fast generator (splitmix64, Steele et al. 2014): equal seeds give equal sequences on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for every seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence that depends on the seed and an id, whatever was drawn before: row 7 is the same in every run.
    #[must_use]
    pub fn of(seed: u64, id: u64) -> Self {
        let mut random = Self(seed ^ id.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self(random.next())
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "an endless sequence is no iterator that loops may consume")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // The bias of the high product is below n / 2^64: invisible here.
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// A position in a slice of this length.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words[self.index(words.len())]
    }
}

/// A user; `tag` makes the email unique.
pub fn user(random: &mut Random, tag: &str) -> NewUser {
    let (first, last) = (random.pick(FIRST_NAMES), random.pick(LAST_NAMES));
    let email = format!("{}.{}.{tag}@example.com", first.to_lowercase(), last.to_lowercase());
    // Some users gave no number: views must cope with NULL.
    let phone = (random.below(10) > 0).then(|| phone(random));
    NewUser { name: format!("{first} {last}"), email, phone }
}

/// A telephone number of the range reserved for fiction.
pub fn phone(random: &mut Random) -> String {
    format!("+1-{}-555-{:04}", 200 + random.below(800), random.below(10_000))
}

/// An address of a user.
pub fn address(random: &mut Random, user_id: i64) -> NewAddress {
    NewAddress {
        user_id,
        street: street(random),
        city: format!("{}{}", random.pick(CITY_STARTS), random.pick(CITY_ENDS)),
        state: random.pick(STATES).to_owned(),
        postal_code: format!("{:05}-{:04}", random.below(100_000), random.below(10_000)),
        country: random.pick(COUNTRIES).to_owned(),
    }
}

/// Number and street.
pub fn street(random: &mut Random) -> String {
    format!("{} {} {}", 1 + random.below(9999), random.pick(STREET_NAMES), random.pick(STREET_KINDS))
}

/// Items of an order, one to five, most often two or three.
pub fn items(random: &mut Random) -> Vec<NewItem> {
    let count = 1 + random.below(3) + random.below(3);
    (0..count).map(|_| item(random)).collect()
}

/// How many of a product.
pub fn quantity(random: &mut Random) -> i32 {
    1 + random.below(10) as i32
}

fn item(random: &mut Random) -> NewItem {
    NewItem {
        product_name: format!("{} {} {}", random.pick(ADJECTIVES), random.pick(MATERIALS), random.pick(PRODUCTS)),
        quantity: quantity(random),
        price: Decimal::new(100 + random.below(19_900) as i64, 2),
    }
}

const FIRST_NAMES: &[&str] = &[
    "Ann", "Ben", "Carla", "Dmitri", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kemal", "Lena", "Marta",
    "Nils", "Olga", "Pablo", "Quinn", "Rosa", "Samir", "Tara", "Umar", "Vera", "Wanda", "Xavier", "Yuki", "Zoe",
];
const LAST_NAMES: &[&str] = &[
    "Abbott",
    "Berger",
    "Castillo",
    "Dahl",
    "Eriksen",
    "Fischer",
    "Gupta",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "Okafor",
    "Petrov",
    "Quigley",
    "Rossi",
    "Silva",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weber",
    "Young",
    "Zhang",
];
const STREET_NAMES: &[&str] = &[
    "Cordie",
    "Harbour",
    "Juniper",
    "Millrace",
    "Old Quarry",
    "Orchard",
    "Pilot",
    "Quayside",
    "Ridge",
    "Saltmarsh",
    "Tannery",
    "Upper Ferry",
    "Vine",
    "Willow",
    "Wren",
    "Ashgrove",
    "Beacon",
    "Chapel",
    "Foundry",
    "Granary",
];
const STREET_KINDS: &[&str] =
    &["Dam", "Street", "Lane", "Road", "Avenue", "Court", "Way", "Square", "Walk", "Terrace", "Hill", "Row"];
const CITY_STARTS: &[&str] =
    &["Neal", "Ash", "Port", "Lake", "East", "Brook", "Clear", "Fair", "Glen", "Mill", "North", "Stone"];
const CITY_ENDS: &[&str] = &["view", "ford", "haven", "mouth", "ton", "field", "bridge", "bury", "dale", "wick"];
const STATES: &[&str] = &[
    "Louisiana",
    "Vermont",
    "Oregon",
    "Nevada",
    "Ohio",
    "Maine",
    "Utah",
    "Kansas",
    "Georgia",
    "Alaska",
    "Iowa",
    "Hawaii",
];
const COUNTRIES: &[&str] = &[
    "Rwanda",
    "Norway",
    "Chile",
    "Japan",
    "Portugal",
    "Canada",
    "Kenya",
    "Côte d'Ivoire",
    "Uruguay",
    "Estonia",
    "Nepal",
    "Fiji",
];
const ADJECTIVES: &[&str] =
    &["Modern", "Rustic", "Sleek", "Handmade", "Elegant", "Compact", "Sturdy", "Bright", "Gentle", "Classic"];
const MATERIALS: &[&str] =
    &["Cotton", "Steel", "Oak", "Granite", "Bamboo", "Leather", "Wool", "Ceramic", "Copper", "Linen"];
const PRODUCTS: &[&str] =
    &["Hat", "Chair", "Lamp", "Gloves", "Table", "Mug", "Keyboard", "Scarf", "Bowl", "Backpack", "Clock", "Shoes"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NewOrder;

    #[test]
    fn equal_seeds_give_equal_values_and_others_differ() {
        let make = |seed, id| {
            let mut random = Random::of(seed, id);
            (user(&mut random, "7"), address(&mut random, 7), items(&mut random))
        };
        assert_eq!(make(42, 7), make(42, 7));
        assert_ne!(make(42, 7), make(42, 8));
        assert_ne!(make(42, 7), make(43, 7));
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // First outputs for seed 1234567, as published with the algorithm's reference code.
        let mut random = Random::new(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn every_value_passes_the_services_own_checks() {
        for id in 1..2000 {
            let mut random = Random::of(1, id);
            user(&mut random, &id.to_string()).check().unwrap();
            address(&mut random, 1).check().unwrap();
            NewOrder { user_id: 1, address_id: 1, items: items(&mut random) }.check().unwrap();
        }
    }

    #[test]
    fn below_stays_below() {
        let mut random = Random::new(9);
        assert!((0..1000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
    }
}
