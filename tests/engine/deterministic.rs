//! Every kernel gives the same bits each time, on every device; and no kernel is forgotten here.

mod biased;
mod relative;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wgrad_engine::device::{Buffer, Event, Format, Launch, Options, Selector, adapters};
use wgrad_engine::kernels::fused_loss;
use wgrad_engine::ops::{
    self, Contrastive, Directions, Gelu, Ids, Rows, Targets, Transpose, Visibility,
};
use wgrad_engine::optimizer::{AdamW, AdamWSettings};
use wgrad_engine::random::{Dropout, Sampling};
use wgrad_engine::testing::{devices, normal};
use wgrad_engine::weights::{Layout, Slot};
use wgrad_engine::{Device, Tensor};

/// How often each case runs.
const RUNS: usize = 20;

/// The words of every result and gradient of a case: bits, so that −0 is not 0 and NaN is itself.
type Bits = Vec<Vec<u32>>;

/// Runs kernels and gives the bits of what they wrote.
type Run = fn(&Device) -> Bits;

/// What runs the kernels of a stem, by the stems that it is for. A few rows more than a tile, a quad or a workgroup has.
const CASES: &[(&[&str], Run)] = &[
    (&["activation"], activation),
    (&["adamw", "sum_of_squares"], |device| optimizer(device, AdamWSettings::default())),
    (&["add"], |device| two(device, ops::add)),
    (&["attention", "attention_backward", "attention_backward_fused"], attention),
    (&["attention_biased"], biased::attention_biased),
    (
        &["attention_relative", "attention_relative_backward", "head_major", "relative_segments"],
        relative::attention_relative,
    ),
    (&["cast"], cast),
    (&["column_sums"], |device| one(device, [300, 70], ops::column_sums)),
    (&["concat"], concat),
    (&["contrastive"], contrastive),
    (&["dropout"], |device| one(device, [9, 70], |x| ops::dropout(x, &dropout(x.device())))),
    (&["elementwise"], elementwise),
    (&["embedding"], embedding),
    (&["fused_loss", "linear_cross_entropy"], losses),
    (&["gather_rows"], |device| one(device, [40, 33], |x| ops::gather_rows(x, &rows(x.device())))),
    (&["gelu"], |device| one(device, [9, 70], |x| ops::gelu(x, Gelu::Erf))),
    (&["l2_normalize"], l2_normalize),
    (&["lamb"], |device| optimizer(device, AdamWSettings::lamb())),
    (&["layer_norm"], layer_norm),
    (&["linear_sample"], linear_sample),
    (&["matmul"], matmul),
    (&["max_pool"], max_pool),
    (&["max_sim"], max_sim),
    (&["mean_pool"], mean_pool),
    (&["multiply_add"], multiply_add),
    (&["reduce"], |device| one(device, [300, 70], ops::mean)),
    (&["replace_rows"], replace_rows),
    (&["softmax"], softmax),
    (&["token_max_pool"], token_max_pool),
    (&["top_k"], top_k),
];

#[test]
fn every_kernel_repeats_its_bits() {
    for device in devices() {
        for (stems, run) in CASES {
            let first = run(&device);
            for again in 1..RUNS {
                assert!(run(&device) == first, "{device:?} {}: run {again} differs", stems[0]);
            }
        }
    }
}

/// Each shader has a case, and the cases of this file run every entry point of every shader; a variant's are its base's,
/// because only some devices choose it.
#[test]
fn every_kernel_has_a_case() {
    let shaders = shaders();
    let known: BTreeSet<&str> = CASES.iter().flat_map(|(stems, _)| *stems).copied().collect();
    let stems: BTreeSet<&str> = shaders
        .iter()
        .filter(|(stem, shader)| **stem == shader.base)
        .map(|(s, _)| s.as_str())
        .collect();
    assert_eq!(known, stems, "CASES and the stems of shaders/*.wgsl");
    if adapters().is_empty() {
        eprintln!("skipped: no GPU adapter, and some kernels run only there");
        return;
    }
    let options = Options { profile: true, ..Options::default() };
    let mut profiled = vec![Device::cpu_with(options)];
    for index in 0..adapters().len() {
        let device = Device::open(&Selector::Index(index), options);
        profiled.push(device.unwrap_or_else(|error| panic!("adapter {index}: {error}")));
    }
    let mut ran = BTreeSet::new();
    for device in &profiled {
        CASES.iter().for_each(|(_, run)| drop(run(device)));
        for Event { stem, entry, .. } in device.take_profile().events() {
            ran.insert(format!("{}.{entry}", shaders[*stem].base));
        }
    }
    let entries = shaders.iter().flat_map(|(_, Shader { base, entries })| {
        entries.iter().map(move |entry| format!("{base}.{entry}"))
    });
    let idle: BTreeSet<String> = entries.filter(|kernel| !ran.contains(kernel)).collect();
    assert!(idle.is_empty(), "no case runs {idle:?}; let one of CASES do it");
}

struct Shader {
    /// Its own stem, or the one that it is a variant of.
    base: String,
    entries: Vec<String>,
}

/// The shaders of this repository by stem.
fn shaders() -> BTreeMap<String, Shader> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut shaders = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the repository is readable") {
        let path = entry.expect("the repository is readable").path();
        if path.extension().is_none_or(|extension| extension != "wgsl") {
            continue;
        }
        let stem = path.file_stem().expect("a shader has a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("the repository is readable");
        let variant = text.lines().find_map(|line| line.strip_prefix("// variant "));
        let entry = |(above, line): (&str, &str)| {
            let name = line.strip_prefix("fn ")?.split('(').next()?;
            above.starts_with("@compute").then(|| name.to_string())
        };
        let entries = text.lines().zip(text.lines().skip(1)).filter_map(entry).collect();
        let base = variant.map_or(stem.clone(), |base| base.trim().to_string());
        shaders.insert(stem, Shader { base, entries });
    }
    shaders
}

fn leaf(device: &Device, axes: impl Into<wgrad_engine::Shape>, seed: u64) -> Tensor {
    let shape = axes.into();
    let values = normal(shape.elements(), seed);
    Tensor::f32(device, shape, &values).tracked()
}

/// The bits of `y`, and of the gradients of `leaves` for an upstream gradient.
fn graph(y: &Tensor, leaves: &[&Tensor]) -> Bits {
    let dy = Tensor::f32(y.device(), y.shape().clone(), &normal(y.shape().elements(), 99));
    let gradients = y.backward_with(&dy);
    let gradient = |leaf: &&Tensor| gradients.get(leaf).expect("it is tracked").to_u32();
    [y.to_u32()].into_iter().chain(leaves.iter().map(gradient)).collect()
}

fn one(device: &Device, axes: [usize; 2], op: impl Fn(&Tensor) -> Tensor) -> Bits {
    let x = leaf(device, axes, 1);
    graph(&op(&x), &[&x])
}

fn two(device: &Device, op: impl Fn(&Tensor, &Tensor) -> Tensor) -> Bits {
    let (a, b) = (leaf(device, [5, 70], 1), leaf(device, [5, 70], 2));
    graph(&op(&a, &b), &[&a, &b])
}

fn dropout(device: &Device) -> Dropout {
    Dropout { probability: 0.3, key: Tensor::u32(device, [2], &[3, 4]), site: 5, first_row: 6 }
}

/// Every third of 40.
fn rows(device: &Device) -> Rows {
    let rows: Vec<u32> = (0..40).step_by(3).collect();
    Rows::new(device, &rows, 40).expect("rows increase to 39")
}

fn activation(device: &Device) -> Bits {
    let functions = [ops::relu, ops::tanh, ops::silu, ops::log1p_relu];
    functions.iter().flat_map(|op| one(device, [5, 70], op)).collect()
}

/// Three steps with gradients in two shares, and the state after them.
fn optimizer(device: &Device, settings: AdamWSettings) -> Bits {
    let slot = |arena, offset, words, decays| Slot { arena, offset, words, decays };
    let parameters =
        vec![slot(0, 0, 20_000, true), slot(0, 20_032, 70, false), slot(1, 0, 64, true)];
    let layout = Layout { arenas: vec![20_160, 64], parameters };
    let mut optimizer = AdamW::new(device, layout.clone(), settings);
    let mut values: Vec<Buffer> =
        layout.arenas.iter().map(|&words| device.upload_f32(&normal(words, 1))).collect();
    for seed in 2..5 {
        for (parameter, slot) in layout.parameters.iter().enumerate() {
            let gradient = device.upload_f32(&normal(slot.words, seed));
            optimizer.accumulate(parameter, &gradient, 0.5);
            optimizer.accumulate(parameter, &gradient, 0.25);
        }
        optimizer.step(&mut values, 1e-2);
    }
    let state = optimizer.state();
    let moments = state.first.iter().chain(&state.second);
    let moments = moments.map(|moment| moment.iter().map(|m| m.to_bits()).collect());
    values.iter().map(|values| device.read_u32(values)).chain(moments).collect()
}

fn attention(device: &Device) -> Bits {
    let [q, k, v] = [1, 2, 3].map(|seed| leaf(device, [2, 37, 2, 8], seed));
    let visibility = Visibility::all().and_lengths(device, &[37, 20]).and_causal();
    let y = ops::attention(&q, &k, &v, &visibility, Some(&dropout(device)));
    let mut bits = graph(&y, &[&q, &k, &v]);
    // Heads too wide for the one walk of an emulated GPU.
    let [q, k, v] = [1, 2, 3].map(|seed| leaf(device, [1, 37, 2, 68], seed));
    let y = ops::attention(&q, &k, &v, &Visibility::all(), Some(&dropout(device)));
    bits.extend(graph(&y, &[&q, &k, &v]));
    bits
}

/// f16 there and back, and a product of f16s: its gradients of weights go into f32.
fn cast(device: &Device) -> Bits {
    if !device.supports(Format::Half) {
        return Bits::new();
    }
    let (x, weight) = (leaf(device, [35, 36], 1), leaf(device, [70, 36], 2));
    let y = ops::linear(&ops::cast(&x, Format::Half), &weight, None);
    graph(&ops::cast(&y, Format::Word), &[&x, &weight])
}

fn concat(device: &Device) -> Bits {
    let (a, b) = (leaf(device, [3, 5, 7], 1), leaf(device, [3, 4, 7], 2));
    let parts = ops::split(&ops::concat(&[&a, &b], 1), 1, &[2, 5, 2]);
    graph(&ops::concat(&[&parts[2], &parts[0], &parts[1]], 1), &[&a, &b])
}

fn contrastive(device: &Device) -> Bits {
    let (queries, passages) = (leaf(device, [35, 12], 1), leaf(device, [70, 12], 2));
    let ids: Vec<u32> = (0..70).map(|passage| passage % 60).collect();
    let ids = Tensor::u32(device, [70], &ids);
    let options =
        Contrastive { temperature: 0.3, candidate_ids: Some(&ids), ..Contrastive::default() };
    let targets = Targets::first_of_groups(device, 35, 2);
    let mut bits =
        graph(&ops::contrastive(&queries, &passages, &targets, &options), &[&queries, &passages]);
    let log_scale = leaf(device, [], 3);
    let trained = Contrastive { log_scale: Some(&log_scale), ..options };
    let rows = ops::contrastive_rows(&queries, &passages, &targets, &trained);
    bits.extend(graph(&rows.losses, &[&queries, &passages, &log_scale]));
    let both = Contrastive { directions: Directions::Both, ..trained };
    let loss = ops::contrastive(&queries, &passages, &targets, &both);
    bits.extend(graph(&loss, &[&queries, &passages, &log_scale]));
    bits
}

fn elementwise(device: &Device) -> Bits {
    let mut bits = two(device, ops::subtract);
    bits.extend(two(device, ops::multiply));
    bits.extend(two(device, |a, b| ops::add_scaled(&ops::scale(a, 0.3), b, 0.7)));
    let a = device.upload_f32(&normal(70, 3));
    let mut total = device.buffer(70);
    ops::assign(device, &a, &mut total, 0.3);
    ops::accumulate(device, &a, &mut total, 0.7);
    bits.push(device.read_u32(&total));
    bits
}

fn embedding(device: &Device) -> Bits {
    let table = leaf(device, [40, 33], 1);
    let ids: Vec<u32> = (0..300).map(|at| if at % 3 == 0 { 7 } else { at * 31 % 40 }).collect();
    let ids = Ids::new(device, &ids, 40).expect("ids are below 40");
    graph(&ops::embedding(&table, &ids), &[&table])
}

/// The loss, and the sum over chunks, which only a larger vocabulary has.
fn losses(device: &Device) -> Bits {
    let (hidden, weight, bias) =
        (leaf(device, [70, 12], 1), leaf(device, [300, 12], 2), leaf(device, [300], 3));
    let classes: Vec<u32> =
        (0..70).map(|row| if row == 5 { Targets::IGNORE } else { row * 4 }).collect();
    let targets = Targets::new(device, &classes, 300);
    let loss = ops::linear_cross_entropy(&hidden, &weight, Some(&bias), &targets);
    let mut bits = graph(&loss, &[&hidden, &weight, &bias]);
    let rows = ops::linear_cross_entropy_rows(&hidden, &weight, Some(&bias), &targets, 0.1);
    bits.extend(graph(&rows, &[&hidden, &weight, &bias]));
    let share = device.upload_f32(&normal(72, 4));
    let mut gradient = device.upload_f32(&normal(72, 5));
    let params = fused_loss::Params { rows: 0, quads: 18 };
    let kernel = fused_loss::Accumulate { params, share: &share, gradient: &mut gradient };
    device.run(kernel, Launch::lanes(18, 256));
    bits.push(device.read_u32(&gradient));
    bits
}

fn l2_normalize(device: &Device) -> Bits {
    let shapes = [[35, 33], [35, 36]];
    shapes.iter().flat_map(|axes| one(device, *axes, |x| ops::l2_normalize(x, 1e-12))).collect()
}

/// Alone, and behind a residual connection with dropout; in quads and not.
fn layer_norm(device: &Device) -> Bits {
    let mut bits = Bits::new();
    for channels in [33, 36] {
        let (x, residual) = (leaf(device, [35, channels], 1), leaf(device, [35, channels], 2));
        let (gamma, beta) = (leaf(device, [channels], 3), leaf(device, [channels], 4));
        let y = ops::layer_norm(&x, None, None, &gamma, &beta, 1e-5);
        bits.extend(graph(&y, &[&x, &gamma, &beta]));
        let drop = dropout(device);
        let y = ops::layer_norm(&x, Some(&residual), Some(&drop), &gamma, &beta, 1e-5);
        bits.extend(graph(&y, &[&x, &residual, &gamma, &beta]));
    }
    bits
}

/// With and without bias and GELU, and a sum so long that it is shared out.
fn matmul(device: &Device) -> Bits {
    let (x, weight, bias) =
        (leaf(device, [35, 36], 1), leaf(device, [70, 36], 2), leaf(device, [70], 3));
    let mut bits = graph(&ops::linear(&x, &weight, Some(&bias)), &[&x, &weight, &bias]);
    let y = ops::linear_gelu(&x, &weight, &bias, Gelu::Tanh);
    bits.extend(graph(&y, &[&x, &weight, &bias]));
    let (long, longer) = (leaf(device, [3, 70_000], 4), leaf(device, [70_000, 5], 5));
    bits.push(ops::matmul(&long, &longer, Transpose::Neither).to_u32());
    bits
}

fn linear_sample(device: &Device) -> Bits {
    let (hidden, weight) = (leaf(device, [35, 12], 1), leaf(device, [300, 12], 2));
    let key = Tensor::u32(device, [2], &[3, 4]);
    let sampling = Sampling { temperature: 0.7, key, site: 1, first_row: 2 };
    vec![ops::linear_sample(&hidden, &weight, None, &sampling).to_u32()]
}

fn max_sim(device: &Device) -> Bits {
    let (queries, documents) = (leaf(device, [3, 5, 12], 1), leaf(device, [6, 9, 12], 2));
    let mask = |rows: usize, tokens: usize| {
        let visible: Vec<u32> =
            (0..(rows * tokens) as u32).map(|at| u32::from(at % 7 > 1)).collect();
        Tensor::u32(device, [rows, tokens], &visible)
    };
    let (query_mask, document_mask) = (mask(3, 5), mask(6, 9));
    let masks = (Some(&query_mask), Some(&document_mask));
    let of = |pairs| {
        let options = ops::MaxSim { pairs, query_mask: masks.0, document_mask: masks.1 };
        graph(&ops::max_sim(&queries, &documents, &options), &[&queries, &documents])
    };
    [of(ops::Pairs::All), of(ops::Pairs::Groups)].concat()
}

fn max_pool(device: &Device) -> Bits {
    let x = leaf(device, [3, 9, 70], 1);
    let lengths = Tensor::u32(device, [3], &[9, 4, 1]);
    graph(&ops::max_pool(&x, &lengths), &[&x])
}

fn mean_pool(device: &Device) -> Bits {
    let x = leaf(device, [3, 9, 70], 1);
    let lengths = Tensor::u32(device, [3], &[9, 4, 1]);
    graph(&ops::mean_pool(&x, &lengths), &[&x])
}

fn multiply_add(device: &Device) -> Bits {
    let x = device.upload_f32(&normal(300, 1));
    let mut y = device.buffer(300);
    ops::multiply_add(device, &x, &mut y, 3);
    vec![device.read_u32(&y)]
}

fn replace_rows(device: &Device) -> Bits {
    let (x, values) = (leaf(device, [40, 33], 1), leaf(device, [14, 33], 2));
    graph(&ops::replace_rows(&x, &rows(device), &values), &[&x, &values])
}

fn softmax(device: &Device) -> Bits {
    let mut bits = one(device, [9, 300], ops::softmax);
    bits.extend(one(device, [9, 300], ops::log_softmax));
    bits
}

fn token_max_pool(device: &Device) -> Bits {
    let (hidden, weight, bias) =
        (leaf(device, [3, 9, 12], 1), leaf(device, [300, 12], 2), leaf(device, [300], 3));
    let shown: Vec<u32> = (0..27).map(|token| u32::from(token % 4 != 3)).collect();
    let shown = Tensor::u32(device, [3, 9], &shown);
    let pooled = ops::token_max_pool(&hidden, &weight, Some(&bias), &shown);
    let mut bits = graph(&pooled.values, &[&hidden, &weight, &bias]);
    bits.push(pooled.positions.to_u32());
    bits
}

fn top_k(device: &Device) -> Bits {
    let (values, indices) = ops::top_k(&leaf(device, [9, 700], 1).detach(), 10);
    vec![values.to_u32(), indices.to_u32()]
}
