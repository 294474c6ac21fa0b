// short_rows — one workgroup of 64 lanes per row of a chunk of attention matrices, and what its lanes compute together.
//
// The shader that uses it declares Params with queries, heads, first_head, some_heads, first_item and some_items.
// Rows of attention are a few hundred words: more lanes would idle. Call the sums only from uniform control flow.

const LANES: u32 = 64u;

var<workgroup> lane_values: array<f32, LANES>;

// A row of the chunk: where it comes from.
struct Row {
    head: u32,
    item: u32,
    i: u32,
}

fn row_of(row: u32) -> Row {
    let i = row % params.queries;
    let item = params.first_item + row / params.queries % params.some_items;
    return Row(params.first_head + row / (params.queries * params.some_items), item, i);
}

fn rows() -> u32 {
    return params.some_heads * params.some_items * params.queries;
}

// Where the row's value stands in [B, T, A].
fn note_of(own: Row) -> u32 {
    return (own.item * params.queries + own.i) * params.heads + own.head;
}

// Σ over lanes of `value`, in tree order; every lane gets it.
fn sum_lanes(lane: u32, value: f32) -> f32 {
    lane_values[lane] = value;
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if lane < width {
            lane_values[lane] += lane_values[lane + width];
        }
    }
    return workgroupUniformLoad(&lane_values[0]);
}

// max over lanes of `value`; every lane gets it.
fn max_lanes(lane: u32, value: f32) -> f32 {
    lane_values[lane] = value;
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if lane < width {
            lane_values[lane] = max(lane_values[lane], lane_values[lane + width]);
        }
    }
    return workgroupUniformLoad(&lane_values[0]);
}
