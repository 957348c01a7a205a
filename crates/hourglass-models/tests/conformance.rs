//! What holds for every registered family.

use burn::backend::{Autodiff, Flex, NdArray};
use burn::module::{AutodiffModule, Module};
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder};
use burn::tensor::{Distribution, Tensor, TensorData};
use hourglass_models::{
    Autoencoder, Model, ModelConfig, NetworkConfig, Shape, StepContext, gradient_model,
    load_state_dict, state_dict,
};

type Inner = NdArray;
type B = Autodiff<Inner>;

const SHAPE: Shape = Shape::new(1, 4, 4);
const FEATURES: usize = 16;
const CODE: usize = 5;

/// Every family with its default objective and others, on every kind of network that it takes.
fn configs() -> Vec<ModelConfig> {
    let mut configs = Vec::new();
    for (family, objectives) in ModelConfig::OBJECTIVES {
        assert!(
            !objectives.is_empty(),
            "{family}: only the default objective"
        );
        for network in NetworkConfig::EXAMPLES {
            let before = configs.len();
            for objective in [&["{}"], *objectives].concat() {
                let mut config = table(&format!(
                    "family = \"{family}\"\nnetwork = {network}\nobjective = {objective}"
                ));
                let network = config["network"].as_table_mut().expect("a table");
                network.insert("code".into(), (CODE as i64).into());
                network.insert("activation".into(), "tanh".into());
                if objective == "{}" {
                    config.remove("objective");
                }
                let config: ModelConfig = config.try_into().expect("settings");
                // A family may have objectives that not every network allows.
                if config.validate(SHAPE).is_ok() {
                    configs.push(config);
                }
            }
            assert!(configs.len() > before, "{family} takes no {network}");
        }
    }
    configs
}

/// What a failure is of.
fn described(config: &ModelConfig) -> String {
    serde_json::to_string(config).expect("settings")
}

fn table(text: &str) -> toml::Table {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn model(config: &ModelConfig) -> Model<B> {
    config
        .init(SHAPE, 3, &Default::default())
        .expect("a valid config")
}

fn images(count: usize) -> Tensor<Inner, 2> {
    // A fixed pattern: rows of waves of different lengths.
    let values: Vec<f32> = (0..count * FEATURES)
        .map(|i| 0.5 + 0.5 * ((i % FEATURES) as f32 * (1.0 + (i / FEATURES) as f32 * 0.37)).sin())
        .collect();
    Tensor::from_data(
        TensorData::new(values, [count, FEATURES]),
        &Default::default(),
    )
}

fn autodiff(images: Tensor<Inner, 2>) -> Tensor<B, 2> {
    Tensor::from_inner(images)
}

#[test]
fn shapes_are_as_stated_and_values_finite() {
    for config in configs() {
        let model = model(&config).valid();
        let codes = model.encode(images(7));
        assert_eq!(codes.dims(), [7, CODE], "{}", described(&config));
        let parameters = model.decode(codes);
        assert_eq!(parameters.dims(), [7, FEATURES], "{}", described(&config));
        let reconstructions = model.reconstruct(images(7));
        assert!(
            reconstructions.sum().into_scalar().is_finite(),
            "{}",
            described(&config)
        );
    }
}

#[test]
fn the_loss_falls_and_gradients_reach_every_parameter() {
    for config in configs() {
        let mut model = model(&config);
        let mut optimizer = AdamConfig::new().init();
        let total = |model: &Model<B>, step| {
            model.loss(autodiff(images(8)), &StepContext::train(1, step, 200))
        };
        let before = total(&model, 0).total.into_scalar();
        for step in 0..200 {
            let loss = total(&model, step);
            assert!(!loss.terms.is_empty());
            let gradients = GradientsParams::from_grads(loss.total.backward(), &model);
            if step == 0 {
                for (name, data) in
                    state_dict(&gradient_model(&model, &gradients)).expect("gradients")
                {
                    let reached = data.iter::<f32>().any(|value| value != 0.0);
                    assert!(
                        reached,
                        "{}: no gradient reaches {name}",
                        described(&config)
                    );
                }
            }
            model = optimizer.step(1e-2, model, gradients);
        }
        let after = total(&model, 0).total.into_scalar();
        assert!(
            after < 0.95 * before,
            "{}: {before} to {after}",
            described(&config)
        );
    }
}

/// By central differences of the code, in both directions of a sample of pixels.
#[test]
fn jacobians_are_the_slopes_of_the_code() {
    const STEP: f32 = 1e-2;
    let mut measured = 0;
    for config in configs() {
        let model = model(&config).valid();
        let Some(jacobian) = model.jacobian(images(2)) else {
            continue;
        };
        measured += 1;
        assert_eq!(
            jacobian.dims(),
            [2, CODE, FEATURES],
            "{}",
            described(&config)
        );
        for pixel in [0, 5, FEATURES - 1] {
            let mut nudge = [0.0; FEATURES];
            nudge[pixel] = STEP;
            let nudge = Tensor::<Inner, 1>::from_floats(nudge, &Default::default());
            let nudge = nudge.unsqueeze::<2>();
            let slopes = (model.encode(images(2) + nudge.clone())
                - model.encode(images(2) - nudge))
                / (2.0 * STEP);
            let column = jacobian.clone().narrow(2, pixel, 1).squeeze_dim::<2>(2);
            let error = (slopes - column).abs().max().into_scalar();
            assert!(
                error < 1e-4,
                "{}, pixel {pixel}: {error:e}",
                described(&config)
            );
        }
    }
    assert!(measured >= 5, "only {measured} models have a Jacobian");
}

#[test]
fn the_same_seed_gives_the_same_model_on_every_backend() {
    for config in configs() {
        let ndarray = config
            .init::<NdArray>(SHAPE, 3, &Default::default())
            .expect("valid");
        let flex = config
            .init::<Flex>(SHAPE, 3, &Default::default())
            .expect("valid");
        let other = config
            .init::<NdArray>(SHAPE, 4, &Default::default())
            .expect("valid");
        let weights = state_dict(&ndarray).expect("weights");
        assert_eq!(
            weights,
            state_dict(&flex).expect("weights"),
            "{}",
            described(&config)
        );
        assert_ne!(
            weights,
            state_dict(&other).expect("weights"),
            "{}",
            described(&config)
        );
    }
}

#[test]
fn records_and_state_dicts_restore_the_model() {
    let device = Default::default();
    for config in configs() {
        let trained = model(&config).valid();
        let codes = trained.encode(images(3)).into_data();
        let fresh = || config.init::<Inner>(SHAPE, 99, &device).expect("valid");

        let weights = state_dict(&trained).expect("weights");
        let loaded = load_state_dict(fresh(), weights).expect("fitting weights");
        assert_eq!(
            loaded.encode(images(3)).into_data(),
            codes,
            "{}",
            described(&config)
        );

        let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
        let bytes = recorder
            .record(trained.into_record(), ())
            .expect("a record");
        let record = recorder.load(bytes, &device).expect("the same record");
        let loaded = fresh().load_record(record);
        assert_eq!(
            loaded.encode(images(3)).into_data(),
            codes,
            "{}",
            described(&config)
        );
    }
}

#[test]
fn configs_survive_a_round_trip() {
    for config in configs() {
        let json = serde_json::to_string(&config).expect("json");
        assert_eq!(
            serde_json::from_str::<ModelConfig>(&json).expect("json"),
            config
        );
        let toml = toml::to_string(&config).expect("toml");
        assert_eq!(toml::from_str::<ModelConfig>(&toml).expect("toml"), config);
    }
}

#[test]
fn an_unused_setting_is_an_error() {
    for family in ModelConfig::FAMILIES {
        for (network, objective) in [
            (r#""kind": "mlp", "code": 5, "dropout": 0.5"#, ""),
            (r#""kind": "conv", "code": 5, "tied": true"#, ""),
            (
                r#""kind": "mlp", "code": 5"#,
                r#", "objective": {"penalty": "l1", "nonsense": 1}"#,
            ),
        ] {
            let json = format!(r#"{{"family": "{family}", "network": {{{network}}}{objective}}}"#);
            let error = serde_json::from_str::<ModelConfig>(&json).expect_err(&json);
            assert!(error.to_string().contains("unknown field"), "{error}");
        }
    }
}

#[test]
fn sampling_noise_does_not_touch_the_global_generator() {
    let device = Default::default();
    let draw = || Tensor::<Inner, 1>::random([4], Distribution::Default, &device).into_data();
    <Inner as burn::tensor::backend::Backend>::seed(&device, 5);
    let expected = draw();
    <Inner as burn::tensor::backend::Backend>::seed(&device, 5);
    for config in configs() {
        model(&config).loss(autodiff(images(2)), &StepContext::train(0, 0, 1));
    }
    assert_eq!(draw(), expected);
}
