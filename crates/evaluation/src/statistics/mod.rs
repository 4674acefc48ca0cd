//! Statistics of scores: how sure a figure is, how far raters agree, and whether two sets of results differ.
//!
//! Functions return `None` where a figure is not defined. All functions that draw random numbers take a seed, and return the same result
//! for the same seed and data.

pub mod agreement;
pub mod bootstrap;
pub mod calibration;
mod corrected_rate;
pub mod intervals;
pub mod multiple_testing;
mod normal;
pub mod permutation;
pub mod sample_size;
