//! How numbers in the user's units become features, and back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How numeric columns are brought to a common scale. The numbers come from the training samples alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Mean 0 and standard deviation 1.
    #[default]
    Standard,
    /// Median 0 and interquartile range 1.349, that of a normal distribution of standard deviation 1: a few extreme values
    /// don't change it. A column half of whose values are equal is scaled by its standard deviation.
    Robust,
    /// Mean 0 and standard deviation 1, and then b ln(1 + |z| / b) with the sign of z and b = 3: values within a few standard
    /// deviations hardly change, and extreme ones no longer outweigh all others.
    Log,
    /// From 0, the smallest value, to 1, the largest.
    MinMax,
    /// As they are.
    None,
}

impl Scaling {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Standard,
        Self::Robust,
        Self::Log,
        Self::MinMax,
        Self::None,
    ];
}

impl fmt::Display for Scaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Standard => "standard",
            Self::Robust => "robust",
            Self::Log => "log",
            Self::MinMax => "min-max",
            Self::None => "none",
        })
    }
}

impl FromStr for Scaling {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|scaling| scaling.to_string() == name);
        found
            .ok_or_else(|| format!("expected standard, robust, log, min-max or none, found {name}"))
    }
}

/// feature = z = (value - centre) / scale or, where it is bent by b, b ln(1 + |z| / b) with the sign of z.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    /// The value that becomes 0.
    pub centre: f64,
    /// The distance from it that becomes 1; positive.
    pub scale: f64,
    /// b, from which on features grow with the logarithm of the value only; positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bend: Option<f64>,
}

/// The b of [`Scaling::Log`].
const BEND: f64 = 3.0;

/// The largest exponent that is undone: no value of single precision needs more.
const MOST_EXPONENT: f64 = 100.0;

impl Affine {
    /// Numbers as they are.
    pub const IDENTITY: Self = Self {
        centre: 0.0,
        scale: 1.0,
        bend: None,
    };

    /// The scaling with this centre and scale.
    pub fn new(scaling: Scaling, centre: f64, scale: f64) -> Self {
        Self {
            centre,
            scale,
            bend: (scaling == Scaling::Log).then_some(BEND),
        }
    }

    /// The feature of a value in the user's units.
    pub fn feature(self, value: f64) -> f32 {
        let z = (value - self.centre) / self.scale;
        match self.bend {
            Some(bend) => (bend * (z.abs() / bend).ln_1p()).copysign(z) as f32,
            None => z as f32,
        }
    }

    /// The value in the user's units of a feature.
    pub fn value(self, feature: f32) -> f64 {
        let feature = f64::from(feature);
        let z = match self.bend {
            Some(bend) => {
                let exponent = (feature.abs() / bend).min(MOST_EXPONENT);
                (bend * exponent.exp_m1()).copysign(feature)
            }
            None => feature,
        };
        z * self.scale + self.centre
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_their_features() {
        for scaling in Scaling::ALL {
            let affine = Affine::new(scaling, 7.0, 0.5);
            for value in [-1e6, 0.0, 6.9, 7.0, 7.1, 1e6] {
                let found = affine.value(affine.feature(value));
                let limit = 1e-5 * f64::abs(value).max(1.0);
                assert!((found - value).abs() < limit, "{scaling} {value} {found}");
            }
            assert_eq!(scaling.to_string().parse(), Ok(scaling));
        }
        let bent = Affine::new(Scaling::Log, 0.0, 1.0);
        assert!((f64::from(bent.feature(3.0)) - 3.0 * 2_f64.ln()).abs() < 1e-6);
        assert_eq!(bent.feature(-3.0), -bent.feature(3.0));
        assert!(bent.value(f32::MAX).is_finite());
    }
}
