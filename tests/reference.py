"""The VRNN as a NumPy loop in float64: Eqs. (5)-(9) and (11) of arXiv:1506.02216.

Only the weights of a Keras model are read, each from the layer that owns it; no code of it runs.
"""

import numpy as np
from scipy.special import expit, log_expit, logsumexp, softmax
from scipy.stats import norm

ACTIVATIONS = {"linear": lambda a: a, "relu": lambda a: np.maximum(a, 0.0), "tanh": np.tanh}
MIN_SCALE = 1e-4


def softplus(a):
    return np.logaddexp(0.0, a)


def randomize_weights(model, seed=0, scale=0.4):
    """Makes every weight normal, biases too: an initial bias of 0 would hide its misuse."""
    rng = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(scale * rng.normal(size=weight.shape))


class LoopVRNN:
    """Runs a model's posterior over observations, one step and one equation at a time.

    Args:
        model: a built `VRNN` with the "gaussian" or the "bivariate_gmm" likelihood.
    """

    def __init__(self, model):
        self.model = model
        self.arrays = {id(v): np.array(v, dtype=np.float64) for v in model.trainable_variables}

    def value(self, variable):
        """The float64 copy of a Keras variable. Change it in place to see what depends on it."""
        return self.arrays[id(variable)]

    def dense(self, layers, features):
        for layer in layers:
            pre = features @ self.value(layer.kernel) + self.value(layer.bias)
            features = ACTIVATIONS[layer.activation.__name__](pre)
        return features

    def gaussian(self, network, features):
        raw = self.dense(network.body.layers, features)
        size = self.model.latent_size
        return raw[:, :size], softplus(raw[:, size:]) + MIN_SCALE

    def prior(self, h_tm1):
        """Eq. (5)."""
        if self.model.cell.prior_network is None:
            zeros = np.zeros((len(h_tm1), self.model.latent_size))
            return zeros, zeros + 1.0
        return self.gaussian(self.model.cell.prior_network, h_tm1)

    def evidence(self, x, mask):
        """What the posterior reads of x: phi_x(x_t) and, when it smooths, a state from x_T to x_t.

        Args:
            x: `[B, T, D]`, zero where masked.
            mask: bool `[B, T]`.

        Returns:
            `[B, T, F]` or `[B, T, F + L]`.
        """
        phi_x = np.stack(
            [self.dense(self.model.phi_x.layers, x_t) for x_t in np.moveaxis(x, 1, 0)], axis=1
        )
        if self.model.lookahead is None:
            return phi_x
        cell = self.model.lookahead.cell
        state, ahead = np.zeros((len(x), cell.units)), []
        for t in reversed(range(x.shape[1])):
            new, _ = self.recurrent_cell(cell, phi_x[:, t], (state,))
            state = np.where(mask[:, t, None], new, state)
            ahead.append(state)
        return np.concatenate([phi_x, np.stack(ahead[::-1], axis=1)], axis=-1)

    def posterior(self, evidence, h_tm1):
        """Eq. (9), or q(z_t | x_<=T, z_<t)."""
        features = np.concatenate([evidence, h_tm1], axis=1)
        loc, scale = self.gaussian(self.model.cell.posterior_network, features)
        if self.model.cell.residual_posterior:
            loc = loc + self.prior(h_tm1)[0]
        return loc, scale

    def decode(self, z, h_tm1):
        """Eq. (6): raw parameters."""
        features = [h_tm1]
        if z is not None:
            features = [self.dense(self.model.cell.phi_z.layers, z), h_tm1]
        return self.dense(self.model.decoder.layers, np.concatenate(features, axis=1))

    def recur(self, phi_x, z, h_tm1, states):
        """Eq. (7): h_t and the states of every cell of the core."""
        features = [phi_x]
        if z is not None:
            features.append(self.dense(self.model.cell.phi_z.layers, z))
        output, after = np.concatenate(features, axis=1), []
        core = self.model.cell.core
        for cell, before in zip(getattr(core, "cells", [core]), states, strict=True):
            output, state = self.recurrent_cell(cell, output, before)
            after.append(state)
        return output, after

    def recurrent_cell(self, cell, features, state):
        kind = type(cell).__name__
        kernel, recurrent = self.value(cell.kernel), self.value(cell.recurrent_kernel)
        bias = self.value(cell.bias)
        if kind == "LSTMCell":
            h, c = state
            i, f, g, o = np.split(features @ kernel + h @ recurrent + bias, 4, axis=1)
            c = expit(f) * c + expit(i) * np.tanh(g)
            h = expit(o) * np.tanh(c)
            return h, (h, c)
        (h,) = state
        if kind == "GRUCell":  # reset_after: the reset gate acts on the product with h
            inward = np.split(features @ kernel + bias[0], 3, axis=1)
            across = np.split(h @ recurrent + bias[1], 3, axis=1)
            update, reset = (expit(a + b) for a, b in zip(inward[:2], across[:2], strict=True))
            candidate = np.tanh(inward[2] + reset * across[2])
            h = update * h + (1.0 - update) * candidate
        else:
            h = np.tanh(features @ kernel + h @ recurrent + bias)
        return h, (h,)

    def initial_states(self, batch):
        core = self.model.cell.core
        return [
            tuple(np.zeros((batch, cell.units)) for _ in range(1 + (type(cell).__name__[0] == "L")))
            for cell in getattr(core, "cells", [core])
        ]

    def run(self, x, eps, mask=None):
        """Everything that `VRNN.observe` returns, as `{name: [B, T, ...]}`, and the last h.

        Args:
            x: `[B, T, D]`.
            eps: `[B, T, Z]`, the noise of z.
            mask: `[B, T]`, or None.
        """
        batch, num_steps, _ = x.shape
        mask = np.ones((batch, num_steps), bool) if mask is None else np.asarray(mask, bool)
        states = self.initial_states(batch)
        h = np.zeros_like(states[-1][0])
        steps = []
        x = np.where(mask[..., None], x, 0.0)
        evidence = self.evidence(x, mask)
        for t in range(num_steps):
            seen, x_t = mask[:, t, None], x[:, t]
            phi_x, step, z = self.dense(self.model.phi_x.layers, x_t), {"h_tm1": h}, None
            kl = np.zeros(batch)
            if self.model.latent_size:
                p_loc, p_scale = self.prior(h)
                q_loc, q_scale = self.posterior(evidence[:, t], h)
                z = q_loc + q_scale * eps[:, t]
                step |= {"prior_loc": p_loc, "prior_scale": p_scale, "posterior_loc": q_loc}
                step |= {"posterior_scale": q_scale, "z": z}
                kl = gaussian_kl(q_loc, q_scale, p_loc, p_scale)
            step["raw_parameters"] = self.decode(z, h)
            log_p = log_density(self.model.likelihood, step["raw_parameters"], x_t)
            step |= {"log_likelihood": np.where(seen[:, 0], log_p, 0.0)}
            step |= {"kl": np.where(seen[:, 0], kl, 0.0)}
            steps.append(step)
            h_next, states_next = self.recur(phi_x, z, h, states)
            h = np.where(seen, h_next, h)
            states = [
                tuple(np.where(seen, new, old) for new, old in zip(after, before, strict=True))
                for after, before in zip(states_next, states, strict=True)
            ]
        return {name: np.stack([s[name] for s in steps], axis=1) for name in steps[0]}, h

    def particle_bound(self, x, eps, mask=None, uniforms=None, systematic=False, threshold=1.0):
        """FIVO (arXiv:1705.09279, Algorithm 1), and IWAE without `uniforms`: nats, `[B]`.

        Args:
            x: `[B, T, D]`.
            eps: `[B, N, T, Z]`, the noise of z of each particle.
            mask: `[B, T]`, or None.
            uniforms: `[B, T, N]` in (0, 1) for resampling; `[B, T, 1]` if `systematic`.
            threshold: the share of N below which the effective sample size makes it resample.
        """
        bounds = []
        mask = np.ones(x.shape[:2], bool) if mask is None else mask
        x = np.where(mask[..., None], x, 0.0)
        evidence = self.evidence(x, mask)
        for b in range(len(x)):
            number = eps.shape[1]
            weights, total = np.full(number, 1.0 / number), 0.0
            states = self.initial_states(number)
            h = np.zeros_like(states[-1][0])
            for t in range(x.shape[1]):
                if not mask[b, t]:
                    continue
                x_t, known = (np.repeat(v[b, t][None], number, axis=0) for v in (x, evidence))
                phi_x = self.dense(self.model.phi_x.layers, x_t)
                prior, posterior = self.prior(h), self.posterior(known, h)
                z = posterior[0] + posterior[1] * eps[b, :, t]
                log_alpha = log_density(self.model.likelihood, self.decode(z, h), x_t)
                log_alpha += (norm.logpdf(z, *prior) - norm.logpdf(z, *posterior)).sum(axis=1)
                h, states = self.recur(phi_x, z, h, states)
                step = np.sum(weights * np.exp(log_alpha))
                total += np.log(step)
                weights = weights * np.exp(log_alpha) / step
                if uniforms is not None and 1.0 / np.sum(weights**2) <= threshold * number:
                    points = uniforms[b, t]
                    if systematic:
                        points = (np.arange(number) + points) / number
                    chosen = [int(np.argmax(np.cumsum(weights) > u)) for u in points]
                    h = h[chosen]
                    states = [tuple(s[chosen] for s in state) for state in states]
                    weights = np.full(number, 1.0 / number)
            bounds.append(total)
        return np.array(bounds)

    def loss(self, x, eps, mask=None, kl_weight=1.0):
        """The negative of Eq. (11), nats a sequence."""
        outputs, _ = self.run(x, eps, mask)
        sequences = len(x) if mask is None else np.any(mask, axis=1).sum()
        return (kl_weight * outputs["kl"].sum() - outputs["log_likelihood"].sum()) / sequences


def gaussian_kl(q_loc, q_scale, p_loc, p_scale):
    """KL(q || p) of diagonal Gaussians, summed over the last axis."""
    variances = (q_scale**2 + (q_loc - p_loc) ** 2) / (2.0 * p_scale**2)
    return np.sum(np.log(p_scale / q_scale) + variances - 0.5, axis=-1)


def log_density(likelihood, raw, x):
    """log p(x) in nats, `[B]`, for raw parameters `[B, P]` and x `[B, D]`."""
    if likelihood.name == "gaussian":
        size = likelihood.event_size
        scale = softplus(raw[:, size:]) + MIN_SCALE
        return norm.logpdf(x, raw[:, :size], scale).sum(axis=1)
    return bivariate_gmm_log_density(likelihood, raw, x)


def bivariate_gmm_log_density(likelihood, raw, x):
    """Eqs. (23)-(25) of arXiv:1308.0850, and the pen: 0 stays, 1 lifts, 2 lifts for good."""
    k = likelihood.num_components
    weights = softmax(raw[:, :k], axis=1)
    loc = raw[:, k : 3 * k].reshape(-1, k, 2)
    scale = softplus(raw[:, 3 * k : 5 * k].reshape(-1, k, 2)) + MIN_SCALE
    rho = 0.9999 * np.tanh(raw[:, 5 * k : 6 * k])
    u, v = np.moveaxis((x[:, None, :2] - loc) / scale, -1, 0)
    exponent = -(u**2 + v**2 - 2.0 * rho * u * v) / (2.0 * (1.0 - rho**2))
    log_n = exponent - np.log(2.0 * np.pi * scale.prod(axis=-1) * np.sqrt(1.0 - rho**2))
    offset = logsumexp(log_n, b=weights, axis=1)
    lift, pen = raw[:, 6 * k], x[:, 2]
    log_pen = np.where(pen > 0.5, log_expit(lift), log_expit(-lift))
    if likelihood.can_end:
        end = raw[:, 6 * k + 1]
        log_pen += np.where(pen > 1.5, log_expit(end), np.where(pen > 0.5, log_expit(-end), 0.0))
    return offset + log_pen
