//! Single operations, AdamW with clipping and the schedules against PyTorch and transformers in f64
//! (`tests/fixtures/op_goldens.py`), on every device.

use std::path::Path;

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{self, Gelu, Targets};
use wgrad_engine::optimizer::{AdamW, AdamWSettings};
use wgrad_engine::schedule::{Decay, Schedule};
use wgrad_engine::testing::{assert_close, devices, wide};
use wgrad_engine::weights::{Layout, Slot};
use wgrad_engine::{Device, Tensor};

/// Of the largest element: a few roundings of f32.
const CLOSE: f64 = 1e-5;
/// For LayerNorm, one of whose rows lies at 1000: the rounding of f32 there is 6e-5, and its deviation 1.
const SHIFTED: f64 = 1e-3;

/// The values of one operation.
struct Golden {
    file: TensorFile,
    operation: &'static str,
}

impl Golden {
    fn open(operation: &'static str) -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ops/op_goldens.safetensors");
        Self { file: TensorFile::open(&path).expect("it is committed"), operation }
    }

    fn values(&self, quantity: &str) -> (&[usize], &[f32]) {
        let name = format!("{}.{quantity}", self.operation);
        self.file.floats(&name).unwrap_or_else(|error| panic!("{error}"))
    }

    fn leaf(&self, device: &Device, quantity: &str) -> Tensor {
        let (shape, values) = self.values(quantity);
        Tensor::f32(device, shape, values).tracked()
    }

    #[track_caller]
    fn check(&self, quantity: &str, actual: &Tensor, tolerance: f64) {
        let context = format!("{}.{quantity} on {}", self.operation, actual.device().name());
        let (_, expected) = self.values(quantity);
        assert_close(&actual.to_f32(), &wide(expected), tolerance, &context);
    }
}

#[test]
fn gelu_is_pytorchs() {
    for (form, operation) in [(Gelu::Erf, "gelu_erf"), (Gelu::Tanh, "gelu_tanh")] {
        let golden = Golden::open(operation);
        for device in devices() {
            let x = golden.leaf(&device, "x");
            let y = ops::gelu(&x, form);
            golden.check("y", &y, CLOSE);
            let mut gradients = ops::sum(&y).backward();
            golden.check("dy_dx", &gradients.take(&x).expect("x is a leaf"), CLOSE);
        }
    }
}

#[test]
fn layer_norm_is_pytorchs() {
    let golden = Golden::open("layer_norm");
    for device in devices() {
        let [x, gamma, beta, dy] = ["x", "gamma", "beta", "dy"].map(|q| golden.leaf(&device, q));
        let y = ops::layer_norm(&x, None, None, &gamma, &beta, 1e-12);
        golden.check("y", &y, SHIFTED);
        let mut gradients = ops::sum(&ops::multiply(&y, &dy.detach())).backward();
        for (quantity, leaf) in [("dx", &x), ("dgamma", &gamma), ("dbeta", &beta)] {
            golden.check(quantity, &gradients.take(leaf).expect("a leaf"), SHIFTED);
        }
    }
}

/// The logits are the hidden states of an identity: one row lies at 10⁴, where exp would overflow.
#[test]
fn cross_entropy_is_pytorchs() {
    let golden = Golden::open("softmax_cross_entropy");
    let (_, labels) = golden.file.integers("softmax_cross_entropy.labels").expect("labels");
    let class = |&label: &i64| u32::try_from(label).unwrap_or(Targets::IGNORE);
    let classes: Vec<u32> = labels.iter().map(class).collect();
    for device in devices() {
        let logits = golden.leaf(&device, "logits");
        let (_, width) = logits.shape().rows_and_last();
        let identity: Vec<f32> =
            (0..width * width).map(|at| f32::from(u8::from(at % (width + 1) == 0))).collect();
        let identity = Tensor::f32(&device, [width, width], &identity);
        let targets = Targets::new(&device, &classes, width);
        let loss = ops::linear_cross_entropy(&logits, &identity, None, &targets);
        golden.check("loss", &loss, CLOSE);
        let upstream = golden.values("upstream").1[0];
        let mut gradients = ops::scale(&loss, upstream).backward();
        golden.check("dlogits", &gradients.take(&logits).expect("a leaf"), CLOSE);
    }
}

#[test]
fn l2_normalize_is_pytorchs() {
    let golden = Golden::open("l2_normalize");
    for device in devices() {
        let x = golden.leaf(&device, "x");
        let y = ops::l2_normalize(&x, 1e-12);
        golden.check("y", &y, CLOSE);
        let dy = golden.leaf(&device, "dy").detach();
        let mut gradients = ops::sum(&ops::multiply(&y, &dy)).backward();
        golden.check("dx", &gradients.take(&x).expect("a leaf"), CLOSE);
    }
}

/// Five steps after `clip_grad_norm_`, with a decayed and a plain parameter.
#[test]
fn adamw_is_pytorchs() {
    let golden = Golden::open("adamw");
    let names = ["decayed", "plain"];
    let words = names.map(|name| golden.values(&format!("{name}.p0")).1.len());
    let slot = |at: usize| Slot { arena: 0, offset: 64 * at, words: words[at], decays: at == 0 };
    let layout = Layout { arenas: vec![128], parameters: vec![slot(0), slot(1)] };
    let settings = AdamWSettings { weight_decay: 0.1, ..AdamWSettings::default() };
    for device in devices() {
        let mut start = vec![0.0; 128];
        for (at, name) in names.iter().enumerate() {
            let (_, values) = golden.values(&format!("{name}.p0"));
            start[64 * at..64 * at + words[at]].copy_from_slice(values);
        }
        let mut values = vec![device.upload_f32(&start)];
        let mut optimizer = AdamW::new(&device, layout.clone(), settings);
        for (step, &norm) in golden.values("norms").1.iter().enumerate() {
            for (at, name) in names.iter().enumerate() {
                let (_, gradients) = golden.values(&format!("{name}.grads"));
                let gradient = device.upload_f32(&gradients[step * words[at]..][..words[at]]);
                optimizer.accumulate(at, &gradient, 1.0);
            }
            optimizer.step(&mut values, 0.01);
            let context = format!("adamw step {step} on {}", device.name());
            assert_close(&optimizer.norm().f32()[..1], &[f64::from(norm)], CLOSE, &context);
            let now = device.read_f32(&values[0]);
            for (at, name) in names.iter().enumerate() {
                let (_, after) = golden.values(&format!("{name}.after"));
                let expected = wide(&after[step * words[at]..][..words[at]]);
                assert_close(&now[64 * at..][..words[at]], &expected, CLOSE, &context);
            }
        }
    }
}

#[test]
fn schedules_are_transformers() {
    for (decay, operation) in
        [(Decay::Linear, "linear_schedule"), (Decay::Cosine, "cosine_schedule")]
    {
        let schedule = Schedule { peak: 1.0, warmup_steps: 10, total_steps: 100, decay };
        let golden = Golden::open(operation);
        let factors = golden.values("factor").1;
        let ours: Vec<f32> = (0..factors.len() as u64).map(|step| schedule.at(step)).collect();
        assert_close(&ours, &wide(factors), 1e-7, operation);
    }
}
