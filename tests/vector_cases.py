"""Facts of recordings made by other emulators, as their files hold them."""


def lava(**more):
    """Of lava: a dense layer of LIF neurons."""
    return {
        "peer": "lava-nc 0.10.0",
        "tag": "fixed_pt",
        "neuron": "LIF",
        "conn": "dense",
        "sign_mode": 1,
        "num_weight_bits": 8,
        "weight_exp": 0,
        "num_message_bits": 0,
        "latency": "s_in[t] acts on u[t+1]",
        **more,
    }
