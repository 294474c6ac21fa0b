//! The case of relative attention, which takes the most arguments.

use wgrad_engine::device::Launch;
use wgrad_engine::kernels::head_major;
use wgrad_engine::ops::{self, Visibility};
use wgrad_engine::testing::normal;
use wgrad_engine::{Device, Tensor};

use super::{Bits, dropout, graph, leaf};

pub fn attention_relative(device: &Device) -> Bits {
    let (queries, memory, heads) = (37, 5, [2, 8]);
    let keys = queries + memory;
    let shaped = |first: &[usize], seed| leaf(device, [first, &heads].concat(), seed);
    let [k, v] = [2, 3].map(|seed| shaped(&[2, keys], seed));
    let q = shaped(&[2, queries], 1);
    let (table, segments) = (shaped(&[queries + keys], 4), shaped(&[2], 5));
    let [content, distance, other] = [6, 7, 8].map(|seed| shaped(&[], seed));
    let [of_queries, of_keys] = [queries, keys].map(|tokens| {
        let ids: Vec<u32> = (0..2 * tokens as u32).map(|at| at / 20 % 2).collect();
        Tensor::u32(device, [2, tokens], &ids)
    });
    let distances = ops::Distances {
        table: &table,
        content_bias: &content,
        distance_bias: &distance,
        places: None,
    };
    let of_segments = ops::Segments {
        table: &segments,
        bias: &other,
        of_queries: &of_queries,
        of_keys: &of_keys,
    };
    let (seen, dropout) = (Visibility::all().and_causal(), dropout(device));
    let segments_too = Some(&of_segments);
    let y = ops::attention_relative(&q, &k, &v, &distances, segments_too, &seen, Some(&dropout));
    let mut bits = graph(&y, &[&q, &k, &v, &table, &segments, &content, &distance, &other]);
    // The second of several chunks of items adds to the first.
    let place = head_major::Params {
        tokens: 37,
        heads: 2,
        width: 8,
        first_head: 1,
        some_heads: 1,
        first_item: 0,
        some_items: 2,
    };
    let dy = device.upload_f32(&normal(2 * 37 * 8, 9));
    let mut dx = device.upload_f32(&normal(2 * 37 * 2 * 8, 10));
    let kernel = head_major::BackwardAdd { params: place, dy: &dy, dx: &mut dx };
    device.run(kernel, Launch::lanes(2 * 37 * 8, 256));
    bits.push(device.read_u32(&dx));
    bits
}
