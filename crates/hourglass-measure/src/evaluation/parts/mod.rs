//! The registry of measures: the only place that lists them. Each measure has a file of its own.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use hourglass_models::{Model, ModelConfig};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::attempt::attempt;
use super::baseline::Baseline;
use super::basics::{Evaluation, evaluate_beside};
use super::measured::{Measured, left_out};
use super::part::{Part, Plan};
use super::quantity::{Number, Quantity, reason};
use super::request::Request;
use super::subject::Subject;
use crate::source::Progress;

/// Makes, from a list of measures, their names, the report that holds what was measured, and the function that measures it.
macro_rules! measures {
    ($($module:ident: $variant:ident($part:ty);)+) => {
        $(
            mod $module;
            pub use $module::*;
        )+

        /// What can be measured in addition to the terms of a model's objective and its error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Measure {
            $(
                #[doc = concat!("See [`", stringify!($variant), "`].")]
                $variant,
            )+
        }

        impl Measure {
            /// All, in the order in which they are measured and shown.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name of the measure, and of its part of a report in JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($module),)+
                }
            }

            /// What the measure is, in one line.
            pub fn summary(self) -> &'static str {
                match self {
                    $(Self::$variant => <$part as Part>::SUMMARY,)+
                }
            }

            /// The numbers of the measure, in the order in which they are shown. Tables and lists are not among them.
            pub fn quantities(self) -> &'static [Quantity] {
                match self {
                    $(Self::$variant => <$part as Part>::QUANTITIES,)+
                }
            }

            /// Whether the measure is part of a page on the model.
            ///
            /// # Shapes
            /// - image: `[1, features]`, any of the model's size
            pub fn is_on_page<B: Backend>(self, model: &Model<B>, image: Tensor<B, 2>) -> bool {
                match self {
                    $(Self::$variant => <$part as Part>::is_on_page(model, image),)+
                }
            }
        }

        /// A model's numbers; a part that was not asked for is not there.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub struct Report {
            /// The numbers that every evaluation has.
            #[serde(skip)]
            pub evaluation: Evaluation,
            $(
                #[doc = concat!("See [`Measure::", stringify!($variant), "`].")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $module: Option<Measured<$part>>,
            )+
        }

        /// The sizes of all batches that a model gets in [`examine`].
        pub fn examined_sizes(
            config: &ModelConfig,
            split: &Subset,
            measures: &[Measure],
            request: &Request<'_>,
        ) -> Vec<usize> {
            let plan = Plan { config, split, request };
            let mut sizes = Plan::sizes(split).to_vec();
            for measure in measures {
                sizes.extend(match measure {
                    $(Measure::$variant => <$part as Part>::batch_sizes(&plan),)+
                });
            }
            sizes
        }

        /// Measures a model, and the parts that are asked for. A part that panics or is interrupted is left out.
        ///
        /// # Errors
        /// The reason, in words, when the model's own numbers can't be measured.
        pub fn examine<B: Backend>(
            subject: Subject<'_, B>,
            measures: &[Measure],
            request: &Request<'_>,
            progress: Progress<'_>,
        ) -> Result<Report, String> {
            let (evaluation, baseline) =
                attempt(|| evaluate_beside(subject, request.cache, progress))?;
            let baseline: Result<&Baseline, &str> = baseline.as_ref().map_err(String::as_str);
            Ok(Report {
                $($module: measures.contains(&Measure::$variant).then(|| {
                    attempt(|| <$part as Part>::measure(subject, request, baseline, progress))
                        .unwrap_or_else(left_out)
                }),)+
                evaluation,
            })
        }
    };
}

measures! {
    reconstruction: Reconstruction(Reconstruction);
    representation: Representation(Representation);
    density: Density(Density);
    contraction: Contraction(Contraction);
    robustness: Robustness(Vec<Robustness>);
    outliers: Outliers(Outliers);
}

/// All numbers that a report may have, except the family's own terms, in the order in which they are shown.
pub fn quantities() -> impl Iterator<Item = &'static Quantity> {
    let of_parts = Measure::ALL.iter().flat_map(|part| part.quantities());
    let first = Evaluation::FIRST_QUANTITIES.iter();
    first.chain(of_parts).chain(Evaluation::LAST_QUANTITIES)
}

/// Those of the quantities that a report has, in their order.
fn found(report: &Value, quantities: &[Quantity]) -> Vec<Number> {
    let quantities = quantities.iter();
    quantities
        .filter_map(|quantity| quantity.in_report(report))
        .collect()
}

/// The numbers of a report in JSON, except the family's own terms, in the order in which they are shown.
pub fn numbers(report: &Value) -> Vec<Number> {
    let mut numbers = found(report, Evaluation::FIRST_QUANTITIES);
    numbers.extend(Measure::ALL.iter().flat_map(|part| part.numbers(report)));
    numbers.extend(found(report, Evaluation::LAST_QUANTITIES));
    numbers
}

impl Measure {
    /// The measure of this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|measure| measure.name() == name)
    }

    /// Why the whole part is left out of a report, if it is.
    pub fn left_out(self, report: &Value) -> Option<&str> {
        reason(&report[self.name()])
    }

    /// The numbers of the part; none where it was not asked for, or is left out as a whole.
    pub fn numbers(self, report: &Value) -> Vec<Number> {
        let part = &report[self.name()];
        if part.is_null() || reason(part).is_some() {
            return Vec::new();
        }
        found(report, self.quantities())
    }
}

impl Report {
    /// The numbers by name, those of the evaluation first.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut map = self.evaluation.to_json();
        if let Value::Object(parts) = json!(self) {
            map.extend(parts);
        }
        map
    }

    /// The numbers of the parts that are left out as a whole, each with the reason.
    pub fn left_out(&self) -> Vec<(Quantity, String)> {
        let json = Value::Object(self.to_json());
        let of_part = |part: &Measure| {
            let reason = part.left_out(&json).map(str::to_owned);
            let quantities = part.quantities().iter().copied();
            reason.map(|reason| quantities.map(move |quantity| (quantity, reason.clone())))
        };
        let left_out = Measure::ALL.iter().filter_map(of_part);
        left_out.flatten().collect()
    }

    /// All numbers of the report, in the order in which they are shown; the family's own terms come after the parts.
    pub fn numbers(&self) -> Vec<Number> {
        let json = Value::Object(self.to_json());
        let mut numbers = numbers(&json);
        let last = found(&json, Evaluation::LAST_QUANTITIES).len();
        let last = numbers.split_off(numbers.len() - last);
        for (name, value) in &self.evaluation.terms {
            // A term that was measured again, with its error, is already among the numbers above.
            let is_above = |number: &Number| number.quantity.places.contains(&name.as_str());
            if !numbers.iter().any(is_above) {
                numbers.push(Number::of_term(name, *value));
            }
        }
        numbers.extend(last);
        numbers
    }
}
