//! From a rewritten plan to nodes of the circuit.
