//! Words that compress about as English does.

use crate::rng::Rng;

/// 4096 pseudo-words drawn Zipf-like: text of about 2 bits per letter, so that a general-purpose
/// compressor gets a ratio near the one it gets on English prose.
pub struct Vocab {
    words: Vec<String>,
    cdf: Vec<f64>,
    pub systems: Vec<String>,
}
impl Vocab {
    pub fn new() -> Self {
        let mut r = Rng::new(42);
        let on = ["b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl", "ch", "", ""];
        let vo = ["a", "e", "i", "o", "u", "ea", "ai", "io", "ou"];
        let co = ["", "", "n", "r", "s", "t", "l", "nd", "ng", "ck"];
        let mut words = Vec::with_capacity(4096);
        for k in 0..4096u64 {
            let syl = 1 + (k > 60) as u64 + r.below(2) + (k > 1500) as u64 * r.below(2);
            let mut w = String::new();
            for _ in 0..syl {
                w += on[r.below(on.len() as u64) as usize];
                w += vo[r.below(vo.len() as u64) as usize];
                w += co[r.below(co.len() as u64) as usize];
            }
            words.push(w);
        }
        let mut cdf = Vec::with_capacity(words.len());
        let mut t = 0.0;
        for k in 0..words.len() {
            t += 1.0 / (k as f64 + 2.7);
            cdf.push(t);
        }
        for c in cdf.iter_mut() {
            *c /= t;
        }
        let mut v = Vocab { words, cdf, systems: vec![] };
        v.systems = (0..20).map(|_| v.text(&mut r, 380)).collect();
        v
    }
    pub fn text(&self, r: &mut Rng, len: usize) -> String {
        let mut s = String::with_capacity(len + 12);
        while s.len() < len {
            let x = r.f();
            let k = self.cdf.partition_point(|c| *c < x).min(self.words.len() - 1);
            if !s.is_empty() {
                s.push(if r.below(14) == 0 { '.' } else { ' ' });
                if s.ends_with('.') {
                    s.push(' ');
                }
            }
            s += &self.words[k];
        }
        s
    }
}
