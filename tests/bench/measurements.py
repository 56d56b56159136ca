"""The measurements, in the order of each round. README.md says what one consists of."""

import latency
import throughput

ALL = {
    "throughput": throughput,
    "latency": latency,
}
