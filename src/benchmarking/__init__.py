"""How fast training is: Kindling, bare loops and Lightning's defaults at the same job, in turns."""
