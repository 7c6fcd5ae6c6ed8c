"""The live channel: a slider asks the server directly, and figures come as they are computed."""
