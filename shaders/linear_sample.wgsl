// linear_sample — draw one class a row from the softmax of a chunk of logits.
//
// math      k = argmaxᵥ (xᵥ/τ + gᵥ),  gᵥ = −ln Eᵥ,  Eᵥ = −ln(1 − uᵥ),  uᵥ uniform in (0, 1): P(k = v) = softmax(x/τ)ᵥ;
//           of equal ones the lowest. Nothing is differentiated
// source    Gumbel 1954; Maddison et al. 2014, arXiv:1411.0030, §2; how ELECTRA's generator draws (Clark et al. 2020,
//           arXiv:2003.10555, §3.1); random words by philox
// shapes    a chunk of C rows; V classes
// work      one workgroup per row, C groups spread over x and y; lanes stride over groups of four classes, for which
//           philox at the counter (v / 4, global row, site, PLANE) gives four words: no chunk and no device changes a draw
// cost      reads C·V words; 10 rounds of philox for four classes, two logarithms for the few that may be the largest
// numerics  E keeps all its digits where u is small, and there the largest g lie; ln(1/u) bounds g from above and is
//           itself bounded by the leading zeros of the word, so that most classes are dismissed without a logarithm
// uses      shared/lanes.wgsl, shared/philox.wgsl

struct Params {
    rows: u32,                 // C, rows of this chunk
    vocabulary: u32,           // V
    site: u32,                 // which draw of the model
    first_row: u32,            // global number of the chunk's first row
    inverse_temperature: f32,  // 1/τ
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> key: array<u32>;             // [2]     of the step
@group(0) @binding(2) var<storage, read> logits: array<f32>;          // [C, V]  x
@group(0) @binding(3) var<storage, read_write> classes: array<u32>;   // [C]     k

const PLANE: u32 = 0xFFFFFFFFu; // dropout draws at the planes of heads, from 0 on
const NONE: u32 = 0xFFFFFFFFu;
const LOWEST: f32 = -3e38;
const STEP: f32 = 2.3283064365386963e-10; // 2⁻³²
const LN_2_ABOVE: f32 = 0.694; // a little more than ln 2, so that rounding does not break the bound

var<workgroup> lane_classes: array<u32, LANES>;

// E = −ln(1 − u) for u = (word + ½)/2³².
fn exponential(word: u32) -> f32 {
    if word >= 0x80000000u {
        return -log((f32(~word) + 0.5) * STEP);
    }
    // 2·artanh(s) with s = u/(2 − u) ≤ ⅓: ln alone would lose what matters, where 1 − u rounds to 1.
    let u = (f32(word) + 0.5) * STEP;
    let s = u / (2.0 - u);
    let t = s * s;
    var series = 1.0 / 13.0;
    series = series * t + 1.0 / 11.0;
    series = series * t + 1.0 / 9.0;
    series = series * t + 1.0 / 7.0;
    series = series * t + 1.0 / 5.0;
    series = series * t + 1.0 / 3.0;
    return 2.0 * s + 2.0 * s * (series * t);
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let start = row * params.vocabulary;
    let step_key = vec2u(key[0], key[1]);
    var largest = LOWEST;
    var found = NONE;
    for (var quad = lane; 4u * quad < params.vocabulary; quad += LANES) {
        let words = philox(vec4u(quad, params.first_row + row, params.site, PLANE), step_key);
        let end = min(4u, params.vocabulary - 4u * quad);
        for (var i = 0u; i < end; i++) {
            let x = logits[start + 4u * quad + i] * params.inverse_temperature;
            let word = words[i];
            let bound = f32(countLeadingZeros(word) + 1u) * LN_2_ABOVE;
            if x + bound > largest {
                let value = x - log(exponential(word));
                if value > largest {
                    largest = value;
                    found = 4u * quad + i;
                }
            }
        }
    }
    let highest = max_lanes(lane, largest);
    lane_classes[lane] = select(NONE, found, largest == highest);
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if lane < width {
            lane_classes[lane] = min(lane_classes[lane], lane_classes[lane + width]);
        }
    }
    if lane == 0u {
        // A class even where the logits are no numbers: what follows looks it up.
        classes[row] = min(lane_classes[0], params.vocabulary - 1u);
    }
}
