# Files as an image: what the platform pulls of a module.
FROM scratch
COPY . /
