//! Losses, gradients, codes and reconstructions agree with PyTorch.

mod support;

use burn::backend::{Autodiff, NdArray};
use hourglass_models::Autoencoder;
use support::{cases, loss_and_gradients, relative_error};

type B = Autodiff<NdArray<f64>>;

#[test]
fn losses_and_gradients_agree_with_pytorch() {
    for case in cases() {
        let model = case.model::<B>();
        let (loss, gradients) = loss_and_gradients(&case, &model);

        let mut expected = case.with_prefix("term.");
        let total = expected.remove("total").expect("a total");
        let mut terms = vec![("total", loss.total)];
        terms.extend(loss.terms);
        expected.insert("total".into(), total);
        assert_eq!(terms.len(), expected.len(), "{}: the same terms", case.name);
        for (name, value) in terms {
            let error = relative_error(&value.into_data(), &expected[name]);
            assert!(error < 1e-5, "{}: {name} is off by {error:e}", case.name);
        }

        let expected = case.with_prefix("gradient.");
        assert!(
            gradients.keys().eq(expected.keys()),
            "{}: the same parameters",
            case.name
        );
        for (name, gradient) in gradients {
            let error = relative_error(&gradient, &expected[&name]);
            assert!(
                error < 1e-4,
                "{}: the gradient of {name} is off by {error:e}",
                case.name
            );
        }
    }
}

#[test]
fn codes_and_reconstructions_agree_with_pytorch() {
    for case in cases() {
        let model = case.model::<B>();
        let codes = model.encode(case.images());
        let decoded = model.decode(codes.clone());
        for (name, found) in [("codes", codes), ("decoded", decoded)] {
            let error = relative_error(&found.into_data(), &case.tensors[name]);
            assert!(error < 1e-5, "{}: {name} is off by {error:e}", case.name);
        }
    }
}
