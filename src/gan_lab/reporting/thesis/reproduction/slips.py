"""Slips in the thesis's print that were found while it was reproduced. The rows are those of
docs/thesis.md, where the tests are named that show the corrected form agreeing with simulation."""

SLIPS: tuple[tuple[str, str, str], ...] = (
    ("Table 2-1", "α and β of least squares exchanged", "(α P_g + β P_r) / (P_r + P_g)"),
    ("Table 2-1", "f* of every Lipschitz GAN is unique",
     "where phi or varphi is strictly convex; with phi(x) = x, which (2-11) admits, it is not"),
    ("(2-15)", "“= 1” inside the expectation", "without it"),
    ("Lemma 2.18", "∂J_D(x)/∂f*(x) < 0 for y", "∂J_D(y)/∂f*(y) < 0"),
    ("Figure 2-18", "caption: Tiny-ImageNet", "text: Oxford-102"),
    ("Algorithm 3-2", "the bias correction outside the root", "inside, as the author's programs"),
    ("3.2, regret", "R(T)/T = Σ (f_t(θ_t) - f_t(θ*))", "R(T) = Σ (f_t(θ_t) - f_t(θ*))"),
    ("3.3.3", "large gradients have the larger net update factor", "the smaller one"),
    ("3.B.2", "- (1 - β2^{nd+i}) in v before its limit", "+ (1 - β2^{nd+i})"),
    ("3.B.3", "a sum of two sums, up to ∞", "a difference, over j < d"),
    ("(3-22), (3-23)", "f'''(α)/3", "f'''(α)/3!"),
    ("(3-24)", "≤ 1 - ε", "≥ 1 - ε"),
    ("(3-27)", "E[g²] = C + δ(C + 1)", "C + δ(C - 1)"),
    ("(3-32)", "D[v] = D[g²]", "(1 - β2)/(1 + β2) D[g²]"),
    ("before (3-38)", "f'' = 3/8 x^{-5/2}", "3/4 x^{-5/2}"),
    ("(3-39) to (3-41)", "β2^k, D[X_k]", "β2^t, D[X_t]"),
    ("3.B.5", "(1 - β1)/(1 - β2^d), β2^d - β1^d", "(1 - β1)/(1 - β1^d), β2^{d/2} - β1^d"),
    ("(3-43)", "the critical condition", "its inverse"),
    ("3.C", "the critical C grows with β1 and β2",
     "with β1; for a large β1 it falls first as β2 grows"),
    ("Tables 3-3, 3-4", "captions pair g²_{t-n} with v_t, which contains it",
     "only g²_t beside v_t can be about 0"),
    ("Figure 4-10", "caption: dynamic labels",
     "predefined labels, as its place among the pairs says"),
)  # fmt: skip
"""(place, printed, correct)."""
