//! Boundaries of the rules over REST: messages in any order, corrections, midnight, moves.
