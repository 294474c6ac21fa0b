// concat — copy one part into the joined tensor and back out of it, word by word.
//
// math      join    joined[o, F + j] = part[o, j]
//           take    taken[o, j] = whole[o, F + j]                        (what goes back through join)
//           spread  joined[o, c] = part[o, c − F] where F ≤ c < F + P, else 0   (what goes back through take)
// source    definition
// shapes    O outer slabs; a part has P words of the W that a slab of the whole has, from word F on:
//           P and W are the length along the joined axis times all axes behind it
// work      a lane per word of what is written (join: of the part); dispatch ⌈words/256⌉ workgroups over x and y
// cost      join and take move 2·O·P words, spread O·P + O·W; no FLOPs
// numerics  words are copied as u32: as floats, ids are denormal numbers, which a device may flush to 0

struct Params {
    outer: u32,        // O
    part_words: u32,   // P
    whole_words: u32,  // W
    first: u32,        // F
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> part: array<u32>;          // [O, P]
@group(0) @binding(2) var<storage, read_write> joined: array<u32>;  // [O, W]
@group(0) @binding(3) var<storage, read> whole: array<u32>;         // [O, W]
@group(0) @binding(4) var<storage, read_write> taken: array<u32>;   // [O, P]

const LANES: u32 = 256u;

// Where the word `at` of the part lies in the whole.
fn place(at: u32) -> u32 {
    return at / params.part_words * params.whole_words + params.first + at % params.part_words;
}

@compute @workgroup_size(LANES)
fn join(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    if at < params.outer * params.part_words {
        joined[place(at)] = part[at];
    }
}

@compute @workgroup_size(LANES)
fn take(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    if at < params.outer * params.part_words {
        taken[at] = whole[place(at)];
    }
}

@compute @workgroup_size(LANES)
fn spread(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    if at >= params.outer * params.whole_words {
        return;
    }
    let column = at % params.whole_words;
    var word = 0u;
    if column >= params.first && column - params.first < params.part_words {
        word = part[at / params.whole_words * params.part_words + column - params.first];
    }
    joined[at] = word;
}
