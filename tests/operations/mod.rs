//! Operations on real machines: what users are promised.

mod ends;
mod live;
mod mixed;
mod moved;
mod output;
mod prepared;
mod restart;
mod results;
mod seam;
mod stop;
mod waves;
