//! gather_rows: the masked tokens of a batch.

use wgrad_engine::Tensor;
use wgrad_engine::ops::{self, Rows};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::normal;

/// 15 % of 8 × 128 tokens.
pub fn cases() -> Vec<Case> {
    [("bert_tiny_masked", 128), ("bert_base_masked", 768)].map(case).into()
}

fn case((name, channels): (&'static str, usize)) -> Case {
    let (count, kept) = (1024, 154);
    Case {
        stem: "gather_rows",
        name,
        shape: format!("{kept} of [{count}, {channels}], forward and backward"),
        flops: 0,
        words: (3 * kept * channels + count * channels) as u64,
        prepare: Box::new(move |device| {
            let rows: Vec<u32> = (0..kept as u32).map(|row| row * 6 + 3).collect();
            let x = normal(count * channels, 1);
            let tensor = Tensor::f32(device, [count, channels], &x).tracked();
            let index = Rows::new(device, &rows, count).expect("rows increase to 921");
            let dy = Tensor::f32(device, [kept, channels], &normal(kept * channels, 2));
            let y = ops::gather_rows(&tensor, &index).to_f32();
            let right = |(slot, &row): (usize, &u32)| {
                y[slot * channels..][..channels] == x[row as usize * channels..][..channels]
            };
            let wrong = rows.iter().enumerate().filter(|row| !right(*row)).count();
            let step = move || drop(ops::gather_rows(&tensor, &index).backward_with(&dy));
            Run { step: Box::new(step), error: wrong as f64, workspace_bytes: 0 }
        }),
    }
}
