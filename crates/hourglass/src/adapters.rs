//! The GPU adapters of this machine. They are found with wgpu itself, because Burn panics if there is none.

use wgpu::{Backend, DeviceType};

/// An adapter that wgpu can use.
#[derive(Debug, Clone)]
pub(crate) struct Adapter {
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) api: Backend,
    pub(crate) kind: DeviceType,
    /// Its place among those of the same interface and kind, by which Burn names it.
    pub(crate) place: usize,
}

impl Adapter {
    /// Whether it is a program that plays a GPU: right, but slow.
    pub(crate) fn is_software(&self) -> bool {
        self.kind == DeviceType::Cpu
    }

    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            DeviceType::DiscreteGpu => "discrete GPU",
            DeviceType::IntegratedGpu => "integrated GPU",
            DeviceType::VirtualGpu => "virtual GPU",
            DeviceType::Cpu => "software",
            DeviceType::Other => "other",
        }
    }
}

/// The interfaces that Burn is asked to use, in order of preference.
const APIS: &[Backend] = if cfg!(target_os = "macos") {
    &[Backend::Metal]
} else if cfg!(windows) {
    &[Backend::Vulkan, Backend::Dx12]
} else {
    &[Backend::Vulkan]
};

/// All adapters, real ones first.
pub(crate) fn list() -> Vec<Adapter> {
    let mut adapters = Vec::new();
    for &api in APIS {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: api.into(),
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        for adapter in pollster::block_on(instance.enumerate_adapters(api.into())) {
            let info = adapter.get_info();
            let same = |other: &&Adapter| other.api == api && other.kind == info.device_type;
            let place = adapters.iter().filter(same).count();
            adapters.push(Adapter {
                name: info.name,
                driver: format!("{} {}", info.driver, info.driver_info)
                    .trim()
                    .to_owned(),
                api,
                kind: info.device_type,
                place,
            });
        }
    }
    adapters.sort_by_key(|adapter| {
        (
            adapter.is_software(),
            adapter.kind == DeviceType::IntegratedGpu,
        )
    });
    adapters
}
