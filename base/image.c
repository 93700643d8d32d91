#include "image.h"

#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h> /* jpeglib.h needs it */
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "exif.h"
#include "file.h"

const char *const md_picture_endings[] = {".png", ".jpg", ".jpeg", NULL};

/* The most pixels a byte of a file can stand for. PNG: deflate packs at most 1032 to 1, and one
 * bit may be a pixel. JPEG: at least one bit for each block of 8 x 8. A header that claims more is
 * a lie, and is found out before it costs memory. */
enum { PNG_PIXELS_PER_BYTE = 1032 * 8, JPEG_PIXELS_PER_BYTE = 8 * 64 };

/* What both decoders work on. It belongs to the function above the one that calls setjmp, so that
 * a longjmp leaves nothing in it indeterminate (C11 7.13.2.1). */
struct decoding {
    const struct md_file *file;
    size_t offset; /* PNG: what has been read so far */
    int height, width;
    size_t pixel_bytes; /* 3: RGB; 2: 16-bit grey */
    uint8_t *pixels;
    struct md_error *error;
    jmp_buf failed; /* JPEG; libpng brings its own */
};
enum { RGB_BYTES = 3, GREY16_BYTES = 2 };

static bool make_room(struct decoding *decoding, size_t width, size_t height,
                      size_t pixels_per_byte) {
    size_t file_bytes = decoding->file->size;
    if (width < 1 || height < 1 || width > MD_IMAGE_MAX_SIDE || height > MD_IMAGE_MAX_SIDE) {
        md_error_set(decoding->error, "expected sides of 1 to %d pixels, found %zux%zu",
                     MD_IMAGE_MAX_SIDE, width, height);
        return false;
    }
    if (width * height > file_bytes * pixels_per_byte) {
        md_error_set(decoding->error,
                     "the header claims %zux%zu pixels, more than %zu bytes can hold", width,
                     height, file_bytes);
        return false;
    }
    decoding->pixels = malloc(width * height * decoding->pixel_bytes);
    if (!decoding->pixels) {
        md_error_set(decoding->error, "out of memory for %zux%zu pixels", width, height);
        return false;
    }
    decoding->width = (int)width;
    decoding->height = (int)height;
    return true;
}

static uint8_t *decoded_row(const struct decoding *decoding, size_t row) {
    return decoding->pixels + row * (size_t)decoding->width * decoding->pixel_bytes;
}

/* Pixels that are to be turned before they are looked at do not lie over their depths, and turning
 * them in silence would change what a recording is. */
static bool check_upright(const uint8_t *tiff, size_t size, struct md_error *error) {
    const int orientation = md_exif_orientation(tiff, size);
    if (orientation != 1)
        md_error_set(error,
                     "its EXIF orientation is %d, expected 1 (upright): turn the pixels themselves "
                     "(mogrify -auto-orient, for instance)",
                     orientation);
    return orientation == 1;
}

/* --- PNG --- */

static void png_failed(png_structp png, png_const_charp message) {
    struct decoding *decoding = png_get_error_ptr(png);
    md_error_set(decoding->error, "not a sound PNG: %s (at byte %zu of %zu)", message,
                 decoding->offset, decoding->file->size);
    png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp message) {
    (void)png; /* warnings are about chunks that do not touch the pixels */
    (void)message;
}

static void png_read_bytes(png_structp png, png_bytep bytes, size_t count) {
    struct decoding *decoding = png_get_io_ptr(png);
    if (count > decoding->file->size - decoding->offset)
        png_error(png, "truncated");
    memcpy(bytes, decoding->file->bytes + decoding->offset, count);
    decoding->offset += count;
}

/* Asks libpng for 8-bit RGB whatever the file holds. */
static void png_request_rgb(png_structp png) {
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
}

/* A depth map is grey with 16 bits, most significant byte first in the file. */
static void png_request_grey16(png_structp png, png_infop info) {
    if (png_get_bit_depth(png, info) != 16 || png_get_color_type(png, info) != PNG_COLOR_TYPE_GRAY)
        png_error(png, "expected 16-bit grey values");
    png_set_swap(png);
}

static bool png_is_upright(png_structp png, png_infop info, struct md_error *error) {
    png_uint_32 size = 0;
    png_bytep tiff = NULL;
    return png_get_eXIf_1(png, info, &size, &tiff) == 0 || check_upright(tiff, size, error);
}

static int png_decode(png_structp png, png_infop info, struct decoding *decoding) {
    if (setjmp(png_jmpbuf(png)))
        return MD_FAILED;
    png_set_user_limits(png, MD_IMAGE_MAX_SIDE, MD_IMAGE_MAX_SIDE);
    png_set_read_fn(png, decoding, png_read_bytes);
    png_read_info(png, info);
    if (!make_room(decoding, png_get_image_width(png, info), png_get_image_height(png, info),
                   PNG_PIXELS_PER_BYTE))
        return MD_FAILED;
    if (decoding->pixel_bytes == GREY16_BYTES)
        png_request_grey16(png, info);
    else
        png_request_rgb(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != (size_t)decoding->width * decoding->pixel_bytes)
        png_error(png, "its pixels have an unexpected size");
    for (int pass = 0; pass < passes; pass++)
        for (int row = 0; row < decoding->height; row++)
            png_read_row(png, decoded_row(decoding, (size_t)row), NULL);
    png_read_end(png, info);
    return png_is_upright(png, info, decoding->error) ? MD_OK : MD_FAILED;
}

static int read_png(struct decoding *decoding) {
    png_structp png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, decoding, png_failed, png_warned);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int status = info ? png_decode(png, info, decoding)
                      : md_fail(decoding->error, MD_FAILED, "libpng could not start");
    png_destroy_read_struct(&png, &info, NULL);
    return status;
}

/* --- JPEG --- */

static void jpeg_failed(j_common_ptr jpeg) {
    struct decoding *decoding = jpeg->client_data;
    char message[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, message);
    md_error_set(decoding->error, "not a sound JPEG: %s", message);
    longjmp(decoding->failed, 1);
}

/* Whether a file that ends without its end marker has all its pixels: where pixels are in one scan,
 * any that lack bits bring a warning of their own; without a later scan all of them are coarser. */
static bool jpeg_may_lack_its_end(j_common_ptr jpeg) {
    const struct decoding *decoding = jpeg->client_data;
    return decoding->pixels != NULL && !jpeg_has_multiple_scans((j_decompress_ptr)jpeg);
}

/* A negative level is a warning. These are about bytes that are no part of a pixel: stray ones
 * before a marker, a header of a form that is not known. All others are about data that is missing
 * or corrupt. */
static void jpeg_warned(j_common_ptr jpeg, int level) {
    static const int harmless[] = {JWRN_EXTRANEOUS_DATA, JWRN_NOT_SEQUENTIAL, JWRN_JFIF_MAJOR,
                                   JWRN_ADOBE_XFORM, JWRN_BOGUS_ICC};
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (jpeg->err->msg_code == harmless[i])
            return;
    if (jpeg->err->msg_code == JWRN_JPEG_EOF && jpeg_may_lack_its_end(jpeg))
        return;
    if (level < 0)
        jpeg->err->error_exit(jpeg);
}

static bool jpeg_can_be_taken(const struct jpeg_decompress_struct *jpeg, struct md_error *error) {
    static const char exif[] = "Exif\0"; /* and a zero, that of the string's end */
    if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK) {
        md_error_set(error, "its colours are CMYK, expected RGB or grey: convert it");
        return false;
    }
    for (const struct jpeg_marker_struct *m = jpeg->marker_list; m; m = m->next)
        if (m->data_length > sizeof exif && memcmp(m->data, exif, sizeof exif) == 0)
            return check_upright(m->data + sizeof exif, m->data_length - sizeof exif, error);
    return true;
}

static int jpeg_decode(struct jpeg_decompress_struct *jpeg, struct decoding *decoding) {
    if (setjmp(decoding->failed))
        return MD_FAILED;
    jpeg_create_decompress(jpeg);
    jpeg_mem_src(jpeg, decoding->file->bytes, decoding->file->size);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff); /* EXIF */
    jpeg_read_header(jpeg, TRUE);
    if (!jpeg_can_be_taken(jpeg, decoding->error) ||
        !make_room(decoding, jpeg->image_width, jpeg->image_height, JPEG_PIXELS_PER_BYTE))
        return MD_FAILED;
    jpeg->out_color_space = JCS_RGB;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = decoded_row(decoding, jpeg->output_scanline);
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
    return MD_OK;
}

static int read_jpeg(struct decoding *decoding) {
    struct jpeg_error_mgr manager;
    struct jpeg_decompress_struct jpeg = {.err = jpeg_std_error(&manager), .client_data = decoding};
    manager.error_exit = jpeg_failed;
    manager.emit_message = jpeg_warned;
    int status = jpeg_decode(&jpeg, decoding);
    jpeg_destroy_decompress(&jpeg);
    return status;
}

/* --- either --- */

static const struct picture_format {
    const char *signature;
    size_t signature_bytes;
    int (*read)(struct decoding *decoding);
} formats[] = {
    {"\x89PNG\r\n\x1a\n", 8, read_png},
    {"\xff\xd8", 2, read_jpeg},
};

static int read_picture(struct decoding *decoding) {
    const struct md_file *file = decoding->file;
    size_t count = decoding->pixel_bytes == GREY16_BYTES ? 1 : sizeof formats / sizeof *formats;
    for (size_t i = 0; i < count; i++)
        if (file->size >= formats[i].signature_bytes &&
            memcmp(file->bytes, formats[i].signature, formats[i].signature_bytes) == 0)
            return formats[i].read(decoding);
    return md_fail(decoding->error, MD_FAILED, "expected a PNG%s picture, found %s",
                   count > 1 ? " or JPEG" : "",
                   file->size == 0 ? "an empty file" : "something else");
}

/* On failure decoding->pixels is NULL. */
static int decode_file(const char *path, size_t pixel_bytes, struct decoding *decoding,
                       struct md_error *error) {
    struct md_file file;
    *decoding = (struct decoding){.pixel_bytes = pixel_bytes, .error = error};
    MD_TRY(md_file_read(path, &file, error));
    decoding->file = &file;
    int status = read_picture(decoding);
    decoding->file = NULL;
    md_file_free(&file);
    if (status == MD_OK)
        return MD_OK;
    free(decoding->pixels);
    decoding->pixels = NULL;
    return md_fail_in(error, status, path);
}

int md_image_read(const char *path, struct md_image *image, struct md_error *error) {
    struct decoding decoding;
    int status = decode_file(path, RGB_BYTES, &decoding, error);
    *image = (struct md_image){0};
    if (status == MD_OK)
        *image = (struct md_image){decoding.height, decoding.width, decoding.pixels};
    return status;
}

int md_grey16_read(const char *path, struct md_grey16 *grey, struct md_error *error) {
    struct decoding decoding;
    int status = decode_file(path, GREY16_BYTES, &decoding, error);
    *grey = (struct md_grey16){0};
    if (status == MD_OK)
        *grey = (struct md_grey16){decoding.height, decoding.width, (void *)decoding.pixels};
    return status;
}

void md_grey16_free(struct md_grey16 *grey) {
    free(grey->values);
    *grey = (struct md_grey16){0};
}

void md_image_free(struct md_image *image) {
    free(image->rgb);
    *image = (struct md_image){0};
}

/* --- resizing --- */

/* One axis of an area average of `from` pixels to `to`: in units of 1/to of a source pixel and
 * 1/from of a target one everything is an integer. Source pixel s covers [s*to, (s+1)*to), target
 * pixel t covers [t*from, (t+1)*from). */
struct axis {
    int64_t from, to;
};

static int64_t overlap(struct axis axis, int64_t source, int64_t target) {
    int64_t start = source * axis.to, end = start + axis.to;
    int64_t low = target * axis.from, high = low + axis.from;
    return (end < high ? end : high) - (start > low ? start : low);
}

static int64_t first_source(struct axis axis, int64_t target) {
    return target * axis.from / axis.to;
}

static int64_t end_source(struct axis axis, int64_t target) {
    return ((target + 1) * axis.from + axis.to - 1) / axis.to;
}

void md_image_resize(const struct md_image *image, int top, int left, int crop_height,
                     int crop_width, int height, int width, uint8_t *planes) {
    const struct axis vertical = {crop_height, height}, horizontal = {crop_width, width};
    const int64_t area = (int64_t)crop_height * crop_width;
    const size_t plane = (size_t)height * (size_t)width;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            int64_t sum[3] = {0};
            for (int64_t r = first_source(vertical, y); r < end_source(vertical, y); r++) {
                const uint8_t *row =
                    image->rgb + ((size_t)(top + r) * (size_t)image->width + (size_t)left) * 3;
                int64_t row_weight = overlap(vertical, r, y);
                for (int64_t c = first_source(horizontal, x); c < end_source(horizontal, x); c++)
                    for (int channel = 0; channel < 3; channel++)
                        sum[channel] +=
                            row_weight * overlap(horizontal, c, x) * row[3 * c + channel];
            }
            size_t pixel = (size_t)y * (size_t)width + (size_t)x;
            for (size_t channel = 0; channel < 3; channel++)
                planes[channel * plane + pixel] = (uint8_t)((sum[channel] + area / 2) / area);
        }
    }
}

/* --- writing --- */

static int write_png(const char *path, png_uint_32 format, const void *pixels, int height,
                     int width, struct md_error *error) {
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)width,
                     .height = (png_uint_32)height,
                     .format = format};
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
    void *bytes = malloc(size);
    if (!bytes)
        return md_fail(error, MD_FAILED, "%s: out of memory for %dx%d pixels", path, width, height);
    int status = MD_OK;
    if (png_image_write_to_memory(&png, bytes, &size, 0, pixels, 0, NULL))
        status = md_file_write(path, bytes, size, error);
    else
        status = md_fail(error, MD_FAILED, "cannot write %s: %s", path, png.message);
    free(bytes);
    return status;
}

int md_png_write_rgb(const char *path, const uint8_t *rgb, int height, int width,
                     struct md_error *error) {
    return write_png(path, PNG_FORMAT_RGB, rgb, height, width, error);
}

int md_png_write_grey16(const char *path, const uint16_t *grey, int height, int width,
                        struct md_error *error) {
    return write_png(path, PNG_FORMAT_LINEAR_Y, grey, height, width, error);
}
