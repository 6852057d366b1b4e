"""Pictures: a Dataset of a folder or of IDX files, and new pictures for a finished run."""

from src.datasets.images.folder import image_folder as image_folder
from src.datasets.images.idx import idx_images as idx_images
from src.datasets.images.reader import ImageReader as ImageReader
