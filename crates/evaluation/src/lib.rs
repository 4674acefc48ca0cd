//! Quality of answers, without input or output: signals of runs, and the statistics of scores.

pub mod intervals;
pub mod signals;
