//! Multiply-adds in registers, for the flat part of a roofline.

use crate::device::{Buffer, Device, Kernel, Launch};
use crate::kernels::multiply_add::{Forward, Params};

/// FLOPs of an element and round: twelve chains of eight multiply-adds.
const FLOPS: usize = 2 * 12 * 8;
/// What every multiply-add multiplies by, and what it adds: x tends to 1, far from infinity and from zero.
const FACTOR: f32 = 0.9375;
const SHIFT: f32 = 0.0625;

/// Runs `8·rounds` multiply-adds on each of twelve chains an element, that of chain c from `x_i + c` on, and writes their sums:
/// 192 FLOPs an element and round, and two words. Nothing differentiates it.
///
/// # Shapes
/// `x, y: [n]`.
///
/// # Panics
/// If the lengths differ, or `rounds` is above 65,535, where some devices leave a loop.
#[track_caller]
pub fn multiply_add(device: &Device, x: &Buffer, y: &mut Buffer, rounds: u32) {
    assert_eq!(x.words(), y.words(), "multiply_add: x and y differ in length");
    assert!(rounds <= 65_535, "multiply_add: {rounds} rounds, expected at most 65,535");
    let n = x.words();
    let params = Params { elements: n as u32, rounds, factor: FACTOR, shift: SHIFT };
    let flops = FLOPS * rounds as usize * n;
    let launch = Launch::lanes(n, Forward::WORKGROUP[0]).flops(flops).words(2 * n);
    device.run(Forward { params, x, y }, launch);
}
