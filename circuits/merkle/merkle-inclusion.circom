pragma circom 2.1.6;

include "poseidon.circom"; // circomlib's

// Membership in a Merkle tree of fixed depth.
//
// The statement: "I know a leaf, not zero, and its place, in the tree of depth `depth` whose root is `root`; and I say
// so for the one use that `externalHash` names." Nothing else is public: not the leaf, not its place, not the other
// leaves.
//
// The tree is complete. Positions after the last leaf hold zero, and a node is Poseidon(left, right). What a proof
// means therefore hangs on three things that the constraints below do not show one by one:
//
//   * The depth is part of the statement. Nothing in the hash tells a leaf from an inner node, so the root of a tree
//     of depth 20 is also the root of a tree of depth 8 whose "leaves" are inner nodes of the first. The depth is a
//     parameter of the template, which gives each depth its own circuit and its own keys; a verifier that holds the
//     key of depth 8 must not be handed roots of depth 20. A root alone is never a statement.
//
//   * A path has exactly `depth` steps. There is no "end of path" marker, no shorter path, no odd node that is paired
//     with itself: those are the classical ways in which [a, b, c] and [a, b, c, c] come to share a root.
//
//   * Zero is not a leaf. See NonZero.

// in != 0, for one constraint.
//
// Zero is the padding: in a tree of three leaves, position 3 honestly holds it, and everybody knows that it does. If
// zero could be proved, anybody could "be a member" of every tree that is not full, without knowing a secret. A field
// element has an inverse if and only if it is not zero, so the prover shows the inverse. When there is none, the
// witness program takes zero for it, and the constraint, not the division, is what fails.
template NonZero() {
    signal input in;

    signal inverse;
    inverse <-- in != 0 ? 1 / in : 0;
    inverse * in === 1;
}

// One step up the path: from a node and its sibling to their parent.
//
// pathBit says on which side the node stands: 0 on the left, 1 on the right. Over the path, from the leaf up, these are
// the bits of the leaf's index, least significant first.
template PathStep() {
    signal input node;
    signal input sibling;
    signal input pathBit;
    signal output parent;

    // Without this line pathBit is any field element b, and the pair hashed below is the point b of the line through
    // (node, sibling) and (sibling, node). That is a free parameter in the preimage of each parent: the prover would
    // no longer hash two children but any pair with the same sum.
    pathBit * (1 - pathBit) === 0;

    // One product swaps both, because left + right = node + sibling whichever way they stand.
    signal left <== node + pathBit * (sibling - node);
    signal right <== node + sibling - left;

    parent <== Poseidon(2)([left, right]);
}

// The top of the path is the root that was claimed. It stands in a template of its own so that a witness program that
// stops here says so by name: the other constraints fail only on malformed input, this one on a false statement.
template TopIsRoot() {
    signal input top;
    signal input root;

    top === root;
}

template MerkleInclusion(depth) {
    assert(depth >= 1);
    assert(depth <= 32);

    // Public, in this order.
    signal input root;
    signal input externalHash;

    // Secret.
    signal input leaf;
    signal input siblings[depth];
    signal input pathBits[depth];

    NonZero()(leaf);

    signal node[depth + 1];
    node[0] <== leaf;
    for (var level = 0; level < depth; level++) {
        node[level + 1] <== PathStep()(node[level], siblings[level], pathBits[level]);
    }
    TopIsRoot()(node[depth], root);

    // externalHash is free: it has nothing to satisfy, it has only to be part of what is proved, so that a proof made
    // for one vote, withdrawal or login is no proof for another. Zero when the application binds nothing.
    //
    // A public signal that no constraint touches has the zero polynomial in the QAP, hence the point at infinity in
    // the verification key, and then one proof verifies for every value of it. Set-ups guard against this on their
    // own side (they add a row for each public signal), but a circuit should not depend on the manners of whoever
    // makes its keys. The square is the cheapest constraint that names it and that no optimiser may drop: it is not
    // linear.
    signal externalHashSquared <== externalHash * externalHash;
}
