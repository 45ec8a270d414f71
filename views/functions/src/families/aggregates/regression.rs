//! Correlation, covariance and linear regression of pairs (y, x), by Youngs and Cramer's method.

use tidewater_types::{Datum, Result, Scratch, float};

use super::unexpected;
use crate::accumulator::Accumulator;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.aggregate("regr_sxx(float8, float8) -> float8 -- Sum of the squares of x's differences from its mean.", |_| {
        make(|s| Some(s.xx))
    });
    t.aggregate("regr_syy(float8, float8) -> float8 -- Sum of the squares of y's differences from its mean.", |_| {
        make(|s| Some(s.yy))
    });
    t.aggregate("regr_sxy(float8, float8) -> float8 -- Sum of the products of both differences.", |_| {
        make(|s| Some(s.xy))
    });
    t.aggregate("regr_avgx(float8, float8) -> float8 -- Mean of x.", |_| make(|s| Some(s.x / s.count)));
    t.aggregate("regr_avgy(float8, float8) -> float8 -- Mean of y.", |_| make(|s| Some(s.y / s.count)));
    t.aggregate("covar_pop(float8, float8) -> float8 -- Covariance of a population.", |_| {
        make(|s| Some(s.xy / s.count))
    });
    t.aggregate("covar_samp(float8, float8) -> float8 -- Covariance of a sample.", |_| {
        make(|s| (s.count >= 2.0).then_some(s.xy / (s.count - 1.0)))
    });
    t.aggregate("corr(float8, float8) -> float8 -- Correlation.", |_| {
        make(|s| (s.xx != 0.0 && s.yy != 0.0).then_some(s.xy / (s.xx * s.yy).sqrt()))
    });
    t.aggregate("regr_r2(float8, float8) -> float8 -- Square of the correlation.", |_| {
        make(|s| match (s.xx == 0.0, s.yy == 0.0) {
            (true, _) => None,
            (_, true) => Some(1.0),
            _ => Some(s.xy * s.xy / (s.xx * s.yy)),
        })
    });
    t.aggregate("regr_slope(float8, float8) -> float8 -- Slope of the line.", |_| {
        make(|s| (s.xx != 0.0).then_some(s.xy / s.xx))
    });
    t.aggregate("regr_intercept(float8, float8) -> float8 -- Where the line meets x = 0.", |_| {
        make(|s| (s.xx != 0.0).then_some((s.y - s.x * s.xy / s.xx) / s.count))
    });
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    x: f64,
    xx: f64,
    y: f64,
    yy: f64,
    xy: f64,
}

type Finish = fn(&Sums) -> Option<f64>;

struct Pairs {
    sums: Sums,
    finish: Finish,
}

fn make(finish: Finish) -> Result<Box<dyn Accumulator>> {
    Ok(Box::new(Pairs { sums: Sums::default(), finish }))
}

impl Sums {
    fn add(&mut self, y: f64, x: f64) -> Result<()> {
        let before = *self;
        self.count += 1.0;
        self.x += x;
        self.y += y;
        if before.count == 0.0 {
            if !x.is_finite() {
                (self.xx, self.xy) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (self.yy, self.xy) = (f64::NAN, f64::NAN);
            }
            return Ok(());
        }
        let (dx, dy) = (x * self.count - self.x, y * self.count - self.y);
        let scale = 1.0 / (self.count * before.count);
        self.xx += dx * dx * scale;
        self.yy += dy * dy * scale;
        self.xy += dx * dy * scale;
        // Infinities that come from finite values are errors, others leave no differences.
        let (finite_x, finite_y) =
            (!before.x.is_infinite() && !x.is_infinite(), !before.y.is_infinite() && !y.is_infinite());
        let overflow = (self.x.is_infinite() || self.xx.is_infinite()) && finite_x
            || (self.y.is_infinite() || self.yy.is_infinite()) && finite_y
            || self.xy.is_infinite() && finite_x && finite_y;
        if overflow {
            return Err(float::overflow());
        }
        for sum in [&mut self.xx, &mut self.yy, &mut self.xy] {
            if sum.is_infinite() {
                *sum = f64::NAN;
            }
        }
        Ok(())
    }
}

impl Accumulator for Pairs {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        match (args[0], args[1]) {
            (Datum::Null, _) | (_, Datum::Null) => Ok(()),
            (Datum::Float(y), Datum::Float(x)) => self.sums.add(y, x),
            _ => Err(unexpected()),
        }
    }

    fn finish<'a>(&self, _: &'a Scratch) -> Result<Datum<'a>> {
        if self.sums.count < 1.0 {
            return Ok(Datum::Null);
        }
        Ok((self.finish)(&self.sums).map_or(Datum::Null, Datum::Float))
    }
}
