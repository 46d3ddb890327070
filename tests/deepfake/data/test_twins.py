import numpy as np

from reprise.deepfake.data.twins import find_twins, loudness_course
from tests.deepfake.helpers import robot, speech


def test_twins_are_found_by_length_and_course_alone():
    natural = [speech(seconds, seed) for seed, seconds in enumerate([1.5, 1.5, 2.0, 2.1])]
    copies = [robot(natural[0]), robot(natural[2])[:-60], robot(speech(1.5, 99)), robot(speech(1.8, 7))]
    spoof = np.array([False] * 4 + [True] * 4)
    every = natural + copies
    lengths = np.array([len(samples) for samples in every])
    found = find_twins([loudness_course(samples) for samples in every], lengths, spoof)
    assert found.tolist() == [-1, -1, -1, -1, 0, 2, -1, -1]
