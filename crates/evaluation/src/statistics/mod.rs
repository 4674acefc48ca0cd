//! Statistics of scores: agreement, rates, intervals and sampling.
