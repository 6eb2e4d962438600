"""How large the pixels of a survey's cutouts are, where its packets do not say it.

Arcseconds, by the survey's name, as its camera is described: ZTF's are published as 1.01 (Bellm et al. 2019,
PASP 131, 018002), LSST's as 0.2 (Ivezic et al. 2019, ApJ 873, 111), ATLAS' as 1.86 (Tonry et al. 2018, PASP
130, 064505), DECam's as 0.263 (Flaugher et al. 2015, AJ 150, 150).
"""

PIXEL_ARCSEC = {"ztf": 1.013, "rubin": 0.2, "atlas": 1.862, "decam": 0.263}
