//! `wgrad devices`.

use serde_json::json;
use wgrad_engine::device::{AdapterSummary, adapters};

use super::{Failure, Global};

/// Lists adapters.
#[derive(clap::Args)]
#[command(after_help = "Example:  wgrad devices")]
pub struct Args {}

pub fn run(global: &Global, _: &Args) -> Result<(), Failure> {
    let adapters = adapters();
    let auto = adapters.iter().position(|adapter| !adapter.software).filter(|&at| at == 0);
    if global.json {
        let list: Vec<_> = adapters.iter().map(to_json).collect();
        let auto = auto.map_or(json!("cpu"), |at| json!(at));
        println!("{}", json!({"adapters": list, "auto": auto}));
        return Ok(());
    }
    let mark = |is_auto: bool| if is_auto { "  ← auto" } else { "" };
    for (index, adapter) in adapters.iter().enumerate() {
        println!("{index}    {}{}", adapter.name, mark(auto == Some(index)));
        println!("     {}, {}, {}", adapter.kind, adapter.backend, adapter.driver);
        println!(
            "     buffers to {} MiB, workgroups to {} lanes and {} KiB, subgroups {} to {}",
            adapter.max_binding_bytes >> 20,
            adapter.max_invocations,
            adapter.max_workgroup_bytes >> 10,
            adapter.subgroup.0,
            adapter.subgroup.1
        );
        let features = adapter.features.join(", ");
        println!("     {}", if features.is_empty() { "no optional features" } else { &features });
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("cpu  this machine's processor, {threads} threads{}", mark(auto.is_none()));
    if adapters.is_empty() {
        println!();
        println!(
            "No adapter: install a Vulkan driver to run the WGSL kernels (on Debian and Ubuntu,"
        );
        println!("mesa-vulkan-drivers has the hardware drivers and a software one).");
    }
    Ok(())
}

fn to_json(adapter: &AdapterSummary) -> serde_json::Value {
    json!({
        "name": adapter.name,
        "backend": adapter.backend,
        "driver": adapter.driver,
        "kind": adapter.kind,
        "software": adapter.software,
        "max_binding_bytes": adapter.max_binding_bytes,
        "max_workgroup_bytes": adapter.max_workgroup_bytes,
        "max_invocations": adapter.max_invocations,
        "subgroup_min": adapter.subgroup.0,
        "subgroup_max": adapter.subgroup.1,
        "features": adapter.features,
    })
}
