/*
 * images: a folder with a folder per class, or a folder of images without classes. PGM and PPM (plain and raw), and PNG
 * where the library was there at build time. All images have one size; x is (channels, height, width), uint8. Of PNG
 * the upper 8 of 16 bits are kept, palettes become colours, and what is transparent black.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef LOCKSTEP_HAVE_PNG
#include <png.h>
#endif

#include "data/import.h"

typedef enum channels { CHANNELS_AUTO, CHANNELS_GRAY, CHANNELS_RGB } channels;

typedef struct image_options {
    int channels;
} image_options;

static const char *const channel_words[] = {"auto", "gray", "rgb", NULL};

static const ls_option rows[] = {
    LS_OPTION_WORD(image_options, channels, "auto", channel_words, "channels of x; auto: those of the first image"),
    LS_OPTION_END};

/* Pixels as read: interleaved channels. */
typedef struct image {
    size_t width, height, channels; /* 1 or 3 */
    unsigned char *pixels;
} image;

typedef struct work {
    const image_options *options;
    ls_import *import;
    ls_import_field *x, *y;
    size_t channels, height, width;
} work;

/* ---- PGM and PPM ---- */

/* The next number of a header, past blanks and comments. */
static bool take_number(const ls_file *file, size_t *at, size_t *out) {
    const unsigned char *b = file->bytes;
    while (*at < file->length && (b[*at] == '#' || b[*at] <= ' ')) {
        if (b[*at] == '#')
            while (*at < file->length && b[*at] != '\n') ++*at;
        else
            ++*at;
    }
    size_t digits = 0;
    for (*out = 0; *at < file->length && b[*at] >= '0' && b[*at] <= '9' && digits < 9; ++*at, digits++)
        *out = 10 * *out + (size_t)(b[*at] - '0');
    return digits > 0;
}

static ls_status take_pixels(const ls_file *file, size_t at, bool plain, size_t most, image *out) {
    size_t count = out->width * out->height * out->channels;
    if (!plain && file->length - at < count)
        return ls__file_fail_binary(file, at, "%zu bytes follow, but the size asks for %zu", file->length - at, count);
    if (plain && file->length - at < count)
        return ls__file_fail_binary(file, at, "the file ends before its %zu numbers", count);
    void *pixels = NULL;
    LS_TRY(ls_block_create(count, 1, "an image", &pixels));
    out->pixels = pixels;
    for (size_t i = 0; i < count; i++) {
        size_t value = plain ? 0 : file->bytes[at + i];
        if (plain && !take_number(file, &at, &value))
            return ls__file_fail_binary(file, at, "the file ends after %zu of %zu numbers", i, count);
        if (value > most)
            return ls__file_fail_binary(file, plain ? at : at + i, "%zu is above the maximum %zu", value, most);
        out->pixels[i] = (unsigned char)((value * 255 + most / 2) / most);
    }
    return LS_OK;
}

/* P2, P5: gray; P3, P6: colours; 2 and 3 are written in digits. */
static ls_status read_pnm(const ls_file *file, image *out) {
    unsigned char kind = file->bytes[1];
    size_t at = 2, most = 0;
    out->channels = kind == '3' || kind == '6' ? 3 : 1;
    if (!take_number(file, &at, &out->width) || !take_number(file, &at, &out->height) || !take_number(file, &at, &most))
        return ls__file_fail_binary(file, at, "width, height and maximum are wanted here");
    if (out->width == 0 || out->height == 0 || out->width > 65536 || out->height > 65536)
        return ls__file_fail_binary(file, at, "%zu x %zu is no size of an image", out->width, out->height);
    if (most == 0 || most > 255) return ls__file_fail_binary(file, at, "a maximum of %zu; allowed: 1 to 255", most);
    if (at < file->length) at++; /* one blank ends the header */
    return take_pixels(file, at, kind == '2' || kind == '3', most, out);
}

/* ---- PNG ---- */

#ifdef LOCKSTEP_HAVE_PNG
static ls_status read_png(const ls_file *file, image *out) {
    png_image png = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&png, file->bytes, file->length))
        return ls__file_fail_binary(file, 0, "the PNG file is damaged: %s", png.message);
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; /* else 16 bits count as linear light, and come out brighter */
    png.format = png.format & PNG_FORMAT_FLAG_COLOR ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    *out = (image){.width = png.width, .height = png.height, .channels = png.format == PNG_FORMAT_RGB ? 3 : 1};
    void *pixels = NULL;
    ls_status status = ls_block_create(PNG_IMAGE_SIZE(png), 1, "an image", &pixels);
    out->pixels = pixels;
    if (status == LS_OK && !png_image_finish_read(&png, &(png_color){0}, pixels, 0, NULL))
        status = ls__file_fail_binary(file, 0, "the PNG file is damaged: %s", png.message);
    png_image_free(&png);
    return status;
}
#else
static ls_status read_png(const ls_file *file, image *out) {
    (void)out;
    return ls__file_fail_binary(file, 0, "is a PNG file, and this build has no libpng; PGM and PPM can be read");
}
#endif

static ls_status read_image(const ls_file *file, image *out) {
    const unsigned char *b = file->bytes;
    if (file->length >= 8 && memcmp(b, "\x89PNG", 4) == 0) return read_png(file, out);
    if (file->length >= 8 && b[0] == 'P' && strchr("2356", b[1]) && b[1] != '\0') return read_pnm(file, out);
    return ls__file_fail_binary(file, 0, "this is no PGM, PPM or PNG image");
}

/* ---- samples ---- */

static size_t wanted_channels(const work *w, const image *first) {
    int wanted = w->options->channels;
    return wanted == CHANNELS_AUTO ? first->channels : wanted == CHANNELS_RGB ? 3 : 1;
}

/* One plane a channel; gray from colours by the weights of Rec. 601, in whole numbers. */
static void store_planes(const work *w, const image *picture, unsigned char *out) {
    size_t count = picture->width * picture->height;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *p = picture->pixels + i * picture->channels;
        for (size_t c = 0; c < w->channels; c++) {
            unsigned value = p[picture->channels == 3 ? c : 0];
            if (picture->channels == 3 && w->channels == 1)
                value = (299u * p[0] + 587u * p[1] + 114u * p[2] + 500u) / 1000u;
            out[c * count + i] = (unsigned char)value;
        }
    }
}

static ls_status add_image(work *w, const char *path, const image *picture) {
    if (!w->x) {
        w->channels = wanted_channels(w, picture);
        w->height = picture->height;
        w->width = picture->width;
        ls_shape shape = {.rank = 3, .dim = {w->channels, w->height, w->width}};
        LS_TRY(ls__import_field(w->import, "x", LS_DTYPE_U8, shape, &w->x));
    }
    if (picture->height != w->height || picture->width != w->width)
        return LS_FAIL(LS_ERR_DATA, "%s: the image is %zu x %zu, the first one %zu x %zu; all must have one size", path,
                       picture->width, picture->height, w->width, w->height);
    void *out = NULL;
    LS_TRY(ls__import_rows(w->x, 1, &out));
    store_planes(w, picture, out);
    return LS_OK;
}

static ls_status import_image(work *w, const char *path) {
    ls_file file;
    image picture = {0};
    LS_TRY(ls__import_read(w->import, path, &file));
    ls_status status = read_image(&file, &picture);
    if (status == LS_OK) status = add_image(w, path, &picture);
    ls_block_destroy(picture.pixels);
    ls__import_release(w->import, &file);
    return status;
}

/* ---- folders ---- */

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int bytewise(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The paths in a folder, sorted bytewise, in the pool. */
static ls_status list_folder(ls_pool *pool, const char *folder, ls_texts *paths, ls_texts *names) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, visible, bytewise);
    if (count < 0) return LS_FAIL(LS_ERR_IO, "%s: cannot list the folder: %s", folder, strerror(errno));
    void *room = NULL;
    ls_status status = ls_pool_take(pool, 2 * (size_t)count * sizeof(char *), &room);
    paths->items = room;
    names->items = paths->items + count;
    paths->count = names->count = (size_t)count;
    for (size_t i = 0; i < (size_t)count; i++) {
        if (status == LS_OK) status = ls_pool_text(pool, entries[i]->d_name, &names->items[i]);
        if (status == LS_OK) status = ls_pool_format(pool, &paths->items[i], "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static ls_status import_folder(work *w, const ls_texts *paths) {
    for (size_t i = 0; i < paths->count; i++) LS_TRY(import_image(w, paths->items[i]));
    return LS_OK;
}

static ls_status import_classes(work *w, const ls_texts *folders, const ls_texts *names) {
    ls_import_field *y = NULL;
    ls_dtype dtype = ls__dtype_for(folders->count - 1);
    ls_bytes labels = {0};
    ls_status status = LS_OK;
    for (size_t c = 0; c < folders->count && status == LS_OK; c++) {
        ls_texts paths, unused;
        size_t before = w->x ? w->x->rows.count / w->x->row_bytes : 0;
        if (!is_folder(folders->items[c]))
            status = LS_FAIL(LS_ERR_DATA, "%s: a file beside the folders of the classes", folders->items[c]);
        if (status == LS_OK) status = list_folder(w->import->pool, folders->items[c], &paths, &unused);
        if (status == LS_OK) status = import_folder(w, &paths);
        size_t added = w->x ? w->x->rows.count / w->x->row_bytes - before : 0;
        void *room = NULL;
        if (status == LS_OK && added == 0)
            status = LS_FAIL(LS_ERR_DATA, "%s: the class has no images", folders->items[c]);
        if (status == LS_OK) status = ls__bytes_grow(&labels, added * ls_dtype_size(dtype), &room);
        for (size_t i = 0; i < added && status == LS_OK; i++)
            ls__dtype_store(dtype, (uint32_t)c, (char *)room + i * ls_dtype_size(dtype));
    }
    if (status == LS_OK) status = ls__import_field(w->import, "y", dtype, (ls_shape){0}, &y);
    if (status != LS_OK) {
        free(labels.items);
        return status;
    }
    y->rows = labels;
    ls__import_words(w->import, "classes", *names);
    return LS_OK;
}

static ls_status import_images(const void *options, const ls_texts *inputs, ls_import *import) {
    if (inputs->count != 1) return LS_FAIL(LS_ERR_USAGE, "import images takes one folder, not %zu", inputs->count);
    work w = {.options = options, .import = import};
    ls_texts paths, names;
    LS_TRY(list_folder(import->pool, inputs->items[0], &paths, &names));
    if (paths.count == 0) return LS_FAIL(LS_ERR_DATA, "%s: the folder is empty", inputs->items[0]);
    return is_folder(paths.items[0]) ? import_classes(&w, &paths, &names) : import_folder(&w, &paths);
}

const ls_format_type ls_format_images = {.type = {"images",
                                                  "a folder of images, or a folder with a folder of images per class",
                                                  rows, sizeof(image_options)},
                                         .usage = "FOLDER",
                                         .import = import_images};
