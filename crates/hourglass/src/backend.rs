//! The choice of a backend at run time.

use anyhow::{Result, bail};
use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, BackendTypes};
use hourglass_data::Subset;
use hourglass_models::{Model, ModelConfig, Shape};
use hourglass_train::Recipe;
use hourglass_train::self_check::{SelfCheckError, Sizes};

#[cfg(feature = "wgpu")]
use crate::adapters::{self, Adapter};
use crate::arguments::{BackendName, DeviceArguments};
use crate::usage::UsageError;

#[cfg(not(any(feature = "flex", feature = "ndarray")))]
compile_error!("turn on `flex` or `ndarray`: GPU runs are checked against a CPU backend");

/// The CPU backend that is used unless another is asked for, and that GPUs are checked against.
#[cfg(feature = "flex")]
pub(crate) type Cpu = burn_flex::Flex;
#[cfg(not(feature = "flex"))]
pub(crate) type Cpu = burn_ndarray::NdArray;

#[cfg(feature = "wgpu")]
type Wgpu = Autodiff<burn_wgpu::Wgpu>;

/// The backend that was chosen.
#[derive(Debug, Clone)]
pub(crate) enum Chosen {
    #[cfg(feature = "wgpu")]
    Wgpu(Adapter),
    #[cfg(feature = "flex")]
    Flex,
    #[cfg(feature = "ndarray")]
    NdArray,
}

/// See [`hourglass_train::self_check::check`].
type TrainingCheck<B> = fn(
    &Model<B>,
    &ModelConfig,
    Option<&Recipe>,
    &Subset,
    &Sizes,
    &<B as BackendTypes>::Device,
) -> Result<f64, SelfCheckError>;

/// See [`hourglass_train::self_check::check_use`].
type UseCheck<B> = fn(
    &Model<B>,
    &ModelConfig,
    Shape,
    &[usize],
    &<B as BackendTypes>::Device,
) -> Result<f64, SelfCheckError>;

/// Compares a model on `B` with the same model on the CPU.
#[derive(Clone, Copy)]
pub(crate) struct SelfCheck<B: AutodiffBackend> {
    /// Loss and gradients.
    pub(crate) training: TrainingCheck<B>,
    /// Codes and decoded images.
    pub(crate) in_use: UseCheck<B::InnerBackend>,
}

/// Something to be done on whatever backend was chosen.
pub(crate) trait Task {
    type Output;

    /// `self_check` is given where the backend is one to be checked before it is trusted.
    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Self::Output;
}

impl Chosen {
    /// Chooses a backend.
    pub(crate) fn from_arguments(arguments: &DeviceArguments) -> Result<Self> {
        match arguments.backend {
            BackendName::Auto => Self::auto(arguments.device),
            #[cfg(feature = "wgpu")]
            BackendName::Wgpu => Self::wgpu(arguments.device),
            #[cfg(feature = "flex")]
            BackendName::Flex => without_device(arguments, Self::Flex),
            #[cfg(feature = "ndarray")]
            BackendName::Ndarray => without_device(arguments, Self::NdArray),
        }
    }

    /// Every backend of this build that is fit for training here: the adapters but those of software, and the processor.
    pub(crate) fn all() -> Vec<Self> {
        #[cfg(feature = "wgpu")]
        let gpus = {
            let adapters = adapters::list().into_iter();
            let real = adapters.filter(|adapter| !adapter.is_software());
            real.map(Self::Wgpu)
        };
        #[cfg(not(feature = "wgpu"))]
        let gpus = std::iter::empty();
        let processor = [
            #[cfg(feature = "flex")]
            Self::Flex,
            #[cfg(feature = "ndarray")]
            Self::NdArray,
        ];
        gpus.chain(processor).collect()
    }

    #[cfg(feature = "wgpu")]
    fn auto(device: Option<usize>) -> Result<Self> {
        if device.is_some() {
            return Self::wgpu(device);
        }
        let real = adapters::list()
            .into_iter()
            .find(|adapter| !adapter.is_software());
        Ok(real.map_or_else(Self::cpu, Self::Wgpu))
    }

    #[cfg(not(feature = "wgpu"))]
    fn auto(device: Option<usize>) -> Result<Self> {
        if device.is_some() {
            bail!(UsageError(
                "--device: this build has no wgpu, whose adapters it numbers".into()
            ));
        }
        Ok(Self::cpu())
    }

    #[cfg(feature = "wgpu")]
    fn wgpu(device: Option<usize>) -> Result<Self> {
        let mut adapters = adapters::list();
        let number = device.unwrap_or(0);
        if adapters.is_empty() {
            bail!(
                "--backend wgpu: expected a GPU adapter, found none; install a driver for Vulkan, Metal or DX12 (on \
                 Debian, mesa-vulkan-drivers and libvulkan1), or use --backend flex. `hourglass devices` lists what there is"
            );
        }
        if number >= adapters.len() {
            bail!(UsageError(format!(
                "--device {number}: expected 0 to {}; `hourglass devices` lists the adapters",
                adapters.len() - 1
            )));
        }
        let adapter = adapters.swap_remove(number);
        if adapter.is_software() && adapter.place > 0 {
            bail!(
                "--device {number}: expected a GPU or the first software adapter, found another, {}, which Burn can't be \
                 told to use",
                adapter.name
            );
        }
        Ok(Self::Wgpu(adapter))
    }

    /// The fastest CPU backend of this build.
    #[cfg(feature = "flex")]
    fn cpu() -> Self {
        Self::Flex
    }

    #[cfg(not(feature = "flex"))]
    fn cpu() -> Self {
        Self::NdArray
    }

    /// The backend's name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            #[cfg(feature = "wgpu")]
            Self::Wgpu(_) => "wgpu",
            #[cfg(feature = "flex")]
            Self::Flex => "flex",
            #[cfg(feature = "ndarray")]
            Self::NdArray => "ndarray",
        }
    }

    /// The adapter's name, or that of the processor's architecture.
    pub(crate) fn adapter(&self) -> String {
        match self {
            #[cfg(feature = "wgpu")]
            Self::Wgpu(adapter) => {
                format!("{} ({:?}, {})", adapter.name, adapter.api, adapter.driver)
            }
            #[cfg(feature = "flex")]
            Self::Flex => cpu_description(),
            #[cfg(feature = "ndarray")]
            Self::NdArray => cpu_description(),
        }
    }

    /// Does a task on this backend.
    pub(crate) fn run<T: Task>(&self, task: T) -> T::Output {
        match self {
            #[cfg(feature = "wgpu")]
            Self::Wgpu(adapter) => {
                let device = start_wgpu(adapter);
                let self_check = SelfCheck {
                    training: hourglass_train::self_check::check::<Wgpu, Autodiff<Cpu>>,
                    in_use: hourglass_train::self_check::check_use::<burn_wgpu::Wgpu, Cpu>,
                };
                task.run::<Wgpu>(&device, Some(self_check))
            }
            #[cfg(feature = "flex")]
            Self::Flex => task.run::<Autodiff<burn_flex::Flex>>(&Default::default(), None),
            #[cfg(feature = "ndarray")]
            Self::NdArray => task.run::<Autodiff<burn_ndarray::NdArray>>(&Default::default(), None),
        }
    }
}

fn without_device(arguments: &DeviceArguments, chosen: Chosen) -> Result<Chosen> {
    if arguments.device.is_some() {
        let name = chosen.name();
        bail!(UsageError(format!(
            "--device: expected with --backend wgpu, found with {name}"
        )));
    }
    Ok(chosen)
}

fn cpu_description() -> String {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{} CPU, {threads} threads", std::env::consts::ARCH)
}

#[cfg(feature = "wgpu")]
fn start_wgpu(adapter: &Adapter) -> burn_wgpu::WgpuDevice {
    use burn_wgpu::WgpuDevice;
    use burn_wgpu::graphics::{Dx12, Metal, Vulkan};
    use wgpu::{Backend, DeviceType};

    let place = adapter.place;
    let device = match adapter.kind {
        DeviceType::DiscreteGpu | DeviceType::Other => WgpuDevice::DiscreteGpu(place),
        DeviceType::IntegratedGpu => WgpuDevice::IntegratedGpu(place),
        DeviceType::VirtualGpu => WgpuDevice::VirtualGpu(place),
        DeviceType::Cpu => WgpuDevice::Cpu,
    };
    let options = burn_wgpu::RuntimeOptions::default();
    match adapter.api {
        Backend::Metal => burn_wgpu::init_setup::<Metal>(&device, options),
        Backend::Dx12 => burn_wgpu::init_setup::<Dx12>(&device, options),
        _ => burn_wgpu::init_setup::<Vulkan>(&device, options),
    };
    device
}
