//! The gradient of every family's objective agrees with central differences in f64, the noise given.

mod support;

use burn::backend::{Autodiff, NdArray};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_models::{Autoencoder, Model, gradient_model};
use support::{Case, cases};

type Inner = NdArray<f64>;
type B = Autodiff<Inner>;

const STEP: f64 = 1e-5;

#[test]
fn gradients_agree_with_finite_differences() {
    for case in cases() {
        let model = case.model::<B>();
        let loss = model.loss(case.images(), &case.step());
        let gradients = GradientsParams::from_grads(loss.total.backward(), &model);
        let mut compare = Compare {
            case: &case,
            model: case.model::<Inner>(),
            parameter: 0,
        };
        gradient_model(&model, &gradients).visit(&mut compare);
        assert!(compare.parameter > 0);
    }
}

/// Visits the gradients, in the order of the parameters.
struct Compare<'a> {
    case: &'a Case,
    model: Model<Inner>,
    parameter: usize,
}

impl ModuleVisitor<Inner> for Compare<'_> {
    fn visit_float<const D: usize>(&mut self, gradient: &Param<Tensor<Inner, D>>) {
        let mut ids = Ids(Vec::new());
        self.model.visit(&mut ids);
        let id = ids.0[self.parameter];
        let expected: Vec<f64> = gradient.val().into_data().to_vec().expect("f64");
        let difference: Vec<f64> = (0..expected.len())
            .map(|index| {
                (self.total(id, index, STEP) - self.total(id, index, -STEP)) / (2.0 * STEP)
            })
            .collect();
        let error = expected
            .iter()
            .zip(&difference)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>();
        let norm = difference.iter().map(|b| b * b).sum::<f64>();
        let error = (error / norm.max(1e-30)).sqrt();
        let (name, parameter) = (&self.case.name, self.parameter);
        assert!(
            error < 1e-4,
            "{name}: the gradient of parameter {parameter} is off by {error:e}"
        );
        self.parameter += 1;
    }
}

impl Compare<'_> {
    /// The objective with `delta` added to one value of one parameter.
    fn total(&self, id: ParamId, index: usize, delta: f64) -> f64 {
        let model = self.model.clone().map(&mut Shift { id, index, delta });
        model
            .loss(self.case.images(), &self.case.step())
            .total
            .into_scalar()
    }
}

struct Ids(Vec<ParamId>);

impl<B: Backend> ModuleVisitor<B> for Ids {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.push(param.id);
    }
}

struct Shift {
    id: ParamId,
    index: usize,
    delta: f64,
}

impl<B: Backend> ModuleMapper<B> for Shift {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if param.id != self.id {
            return param;
        }
        param.map(|weight| {
            let mut data = weight.to_data().convert::<f64>();
            data.as_mut_slice::<f64>().expect("f64")[self.index] += self.delta;
            Tensor::from_data(data, &weight.device())
        })
    }
}
