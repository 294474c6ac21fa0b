//! The case of relative attention, which takes the most arguments.

use wgrad_engine::device::{Kernel, Launch};
use wgrad_engine::kernels::attention_relative::{Constants, ForwardNotes, Params};
use wgrad_engine::kernels::{attention_relative_backward as walks, head_major};
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
    // The second of several chunks adds to the first.
    let place = head_major::Params {
        tokens: 37,
        heads: 2,
        width: 8,
        first_head: 1,
        first_item: 0,
        some_items: 2,
        first_token: 3,
        some_tokens: 34,
    };
    let dy = device.upload_f32(&normal(2 * 34 * 8, 9));
    let mut dx = device.upload_f32(&normal(2 * 37 * 2 * 8, 10));
    let kernel = head_major::BackwardAdd { params: place, dy: &dy, dx: &mut dx };
    device.run(kernel, Launch::groups([2, 1, 2]));
    bits.push(device.read_u32(&dx));
    bits.extend(walks(device));
    bits
}

/// The walks of real GPUs, which the op may not choose on this device.
fn walks(device: &Device) -> Bits {
    let [batch, queries, keys, heads, width] = [2, 37, 42, 2, 8];
    let distances = queries + keys;
    let params = Params {
        batch,
        queries,
        keys,
        heads,
        width,
        distances,
        scale: 0.4,
        causal: 1,
        has_lengths: 0,
        has_bits: 0,
        has_places: 0,
        has_segments: 0,
        threshold: 1 << 29,
        keep_scale: 8.0 / 7.0,
        site: 3,
        first_row: 0,
        first_head: 0,
        first_item: 0,
        some_items: batch,
        first_query: 0,
        some_queries: queries,
        first_distance: 0,
        some_distances: distances,
    };
    let floats = |words: u32, seed| device.upload_f32(&normal(words as usize, seed));
    let (row, table) = (heads * width, distances * heads * width);
    let [q, y, dy] = [1, 2, 3].map(|seed| floats(batch * queries * row, seed));
    let [k, v] = [4, 5].map(|seed| floats(batch * keys * row, seed));
    let (r, biases, lse) =
        (floats(table, 6), floats(2 * row, 7), floats(batch * heads * queries, 8));
    let ids = device.upload_u32(&[5; 84]);
    let words = 4 + batch * queries * (2 + 4 * keys.div_ceil(32) + heads);
    let mut packed = floats(words, 9);
    let kernel = ForwardNotes {
        params,
        constants: Constants { chunks: 1 },
        lengths: &ids,
        bits: &ids,
        places: &ids,
        query_segments: &ids,
        key_segments: &ids,
        slopes: &lse,
        key: &ids,
        packed: &mut packed,
    };
    device.run(kernel, Launch::lanes(words as usize, ForwardNotes::WORKGROUP[0]));
    let (params, constants) = (bytemuck::cast(params), walks::Constants { chunks: 1 });
    let words = words + 2 * row + 2 * batch * heads * queries;
    let mut notes = floats(words, 9);
    let (biases, packed, y, dy, lse) = (&biases, &packed, &y, &dy, &lse);
    let kernel = walks::BackwardNotes {
        params,
        constants,
        biases,
        packed,
        y,
        dy,
        lse,
        repacked: &mut notes,
    };
    device.run(kernel, Launch::lanes(words as usize, walks::BackwardNotes::WORKGROUP[0]));
    let (mut dq, mut sigma) =
        (floats(batch * queries * row, 10), floats(batch * queries * heads, 11));
    let [mut dk, mut dv] = [12, 13].map(|seed| floats(batch * keys * row, seed));
    let (mut dtable, mut dbias) = (floats(batch * table, 14), floats(batch * 2 * row, 15));
    let (q, k, v, table, notes) = (&q, &k, &v, &r, &notes);
    let tiles = |rows: u32| Launch::groups([rows.div_ceil(64), heads, batch]);
    let of_queries = (&mut dq, &mut sigma);
    let kernel = walks::BackwardQueries {
        params,
        constants,
        q,
        k,
        v,
        table,
        dy,
        notes,
        dq: of_queries.0,
        sigma: of_queries.1,
    };
    device.run(kernel, tiles(queries));
    let of_keys = (&mut dk, &mut dv);
    let kernel = walks::BackwardKeys {
        params,
        constants,
        q,
        k,
        v,
        table,
        dy,
        notes,
        dk: of_keys.0,
        dv: of_keys.1,
    };
    device.run(kernel, tiles(keys));
    let of_distances = (&mut dtable, &mut dbias);
    let kernel = walks::BackwardDistances {
        params,
        constants,
        q,
        k,
        v,
        table,
        dy,
        notes,
        dtable: of_distances.0,
        dbias: of_distances.1,
    };
    device.run(kernel, tiles(distances));
    [dq, sigma, dk, dv, dtable, dbias].iter().map(|buffer| device.read_u32(buffer)).collect()
}
