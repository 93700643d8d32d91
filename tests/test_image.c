/* Pictures: PNG and JPEG in all forms, whole and broken, and the area mean. */
#include <criterion/criterion.h>
#include <math.h>
#include <png.h>
#include <stdbool.h>
#include <stdint.h>

#include <jpeglib.h>

#include "../base/image.h"
#include "../base/random.h"
#include "scratch.h"

static struct md_error error;

static void set_up(void) {
    scratch = scratch_open();
    error.text[0] = 0;
}

TestSuite(image, .init = set_up, .fini = scratch_tear_down);

/* A picture of noise, so that no two places look alike. */
static void fill_noise(uint8_t *bytes, size_t count) {
    struct md_random random = md_random_stream(7, 0, 0, 0);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)md_random_bits(&random);
}

/* Writes a JPEG of `channels` 1 (grey), 3 or 4 (CMYK). */
static void write_jpeg(const char *path, const uint8_t *pixels, int height, int width, int channels,
                       bool progressive) {
    struct jpeg_error_mgr manager;
    struct jpeg_compress_struct jpeg = {.err = jpeg_std_error(&manager)};
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = channels;
    jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < height; y++) {
        JSAMPROW row = (JSAMPROW)pixels + (size_t)y * (size_t)width * (size_t)channels;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    cr_assert_eq(fclose(file), 0);
}

/* Writes a PNG by libpng's short way; `colours` is for colour-mapped formats. */
static void write_png(const char *path, png_uint_32 format, const void *pixels, int height,
                      int width, const void *colours, unsigned colour_count) {
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)width,
                     .height = (png_uint_32)height,
                     .format = format,
                     .colormap_entries = colour_count};
    cr_assert(png_image_write_to_file(&png, path, 0, pixels, 0, colours), "%s", png.message);
}

/* Writes an interlaced RGB PNG. */
static void write_interlaced(const char *path, const uint8_t *rgb, int height, int width) {
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    cr_assert(file && png && info);
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_ADAM7, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int pass = png_set_interlace_handling(png); pass > 0; pass--)
        for (int y = 0; y < height; y++)
            png_write_row(png, rgb + (size_t)y * (size_t)width * 3);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

enum { HEIGHT = 6, WIDTH = 9, PIXELS = HEIGHT * WIDTH };

static void assert_reads_as(const char *path, const uint8_t expected[3 * PIXELS], int tolerance) {
    struct md_image image;
    cr_assert_eq(md_image_read(path, &image, &error), MD_OK, "%s", error.text);
    cr_assert_eq(image.height, HEIGHT);
    cr_assert_eq(image.width, WIDTH);
    for (int i = 0; i < 3 * PIXELS; i++)
        cr_assert_leq(abs(image.rgb[i] - expected[i]), tolerance, "byte %d of %s", i, path);
    md_image_free(&image);
    cr_assert_null(image.rgb);
}

Test(image, png_in_all_its_forms) {
    uint8_t rgb[3 * PIXELS], rgba[4 * PIXELS], grey[PIXELS], from_grey[3 * PIXELS];
    uint16_t deep[PIXELS];
    fill_noise(rgb, sizeof rgb);
    for (int i = 0; i < PIXELS; i++) {
        grey[i] = rgb[3 * i];
        memcpy(rgba + 4 * i, rgb + 3 * i, 3);
        rgba[4 * i + 3] = rgb[3 * i]; /* any alpha: it is dropped, not mixed in */
        memset(from_grey + 3 * i, grey[i], 3);
        deep[i] = (uint16_t)(grey[i] << 8 | 0xff);
    }
    struct scratch_path path = scratch_path(&scratch, "a.png");
    cr_assert_eq(md_png_write_rgb(path.text, rgb, HEIGHT, WIDTH, &error), MD_OK);
    assert_reads_as(path.text, rgb, 0);
    cr_assert_eq(md_png_write_grey16(path.text, deep, HEIGHT, WIDTH, &error), MD_OK);
    assert_reads_as(path.text, from_grey, 0);
    write_png(path.text, PNG_FORMAT_GRAY, grey, HEIGHT, WIDTH, NULL, 0);
    assert_reads_as(path.text, from_grey, 0);
    write_png(path.text, PNG_FORMAT_RGBA, rgba, HEIGHT, WIDTH, NULL, 0);
    assert_reads_as(path.text, rgb, 0);
    write_interlaced(path.text, rgb, HEIGHT, WIDTH);
    assert_reads_as(path.text, rgb, 0);
    uint8_t index[PIXELS];
    for (int i = 0; i < PIXELS; i++)
        index[i] = (uint8_t)i;
    write_png(path.text, PNG_FORMAT_RGB_COLORMAP, index, HEIGHT, WIDTH, rgb, PIXELS);
    assert_reads_as(path.text, rgb, 0);
    cr_assert_eq(scratch_count(scratch.folder), 1, "a temporary file was left");
}

Test(image, grey16_is_written_whole) {
    uint16_t deep[PIXELS];
    uint8_t back[PIXELS * 2];
    fill_noise((uint8_t *)deep, sizeof deep);
    struct scratch_path path = scratch_path(&scratch, "a.png");
    cr_assert_eq(md_png_write_grey16(path.text, deep, HEIGHT, WIDTH, &error), MD_OK);
    png_image png = {.version = PNG_IMAGE_VERSION};
    cr_assert(png_image_begin_read_from_file(&png, path.text));
    cr_assert_eq(png.format, PNG_FORMAT_LINEAR_Y);
    cr_assert(png_image_finish_read(&png, NULL, back, 0, NULL));
    cr_assert_arr_eq(back, deep, sizeof deep);
}

Test(image, jpeg) {
    uint8_t rgb[3 * PIXELS], grey[PIXELS], from_grey[3 * PIXELS];
    for (int i = 0; i < PIXELS; i++) { /* smooth: chroma is stored at half the size */
        uint8_t colour[3] = {(uint8_t)(40 + 2 * i), (uint8_t)(60 + i), (uint8_t)(200 - i)};
        memcpy(rgb + 3 * i, colour, 3);
        grey[i] = (uint8_t)(3 * i);
        memset(from_grey + 3 * i, grey[i], 3);
    }
    struct scratch_path path = scratch_path(&scratch, "a.jpg");
    for (int progressive = 0; progressive < 2; progressive++) {
        write_jpeg(path.text, grey, HEIGHT, WIDTH, 1, progressive);
        assert_reads_as(path.text, from_grey, 2);
        write_jpeg(path.text, rgb, HEIGHT, WIDTH, 3, progressive);
        assert_reads_as(path.text, rgb, 24);
    }
}

Test(image, told_by_content_not_by_name) {
    uint8_t rgb[3 * PIXELS];
    struct md_image image;
    fill_noise(rgb, sizeof rgb);
    struct scratch_path path = scratch_path(&scratch, "really_png.jpg");
    cr_assert_eq(md_png_write_rgb(path.text, rgb, HEIGHT, WIDTH, &error), MD_OK);
    assert_reads_as(path.text, rgb, 0);

    path = scratch_path(&scratch, "really_text.png");
    scratch_write_text(path.text, "these are words");
    cr_assert_eq(md_image_read(path.text, &image, &error), MD_FAILED);
    assert_contains(error.text, "really_text.png: expected a PNG or JPEG picture");
    scratch_write_text(path.text, "");
    cr_assert_eq(md_image_read(path.text, &image, &error), MD_FAILED);
    assert_contains(error.text, "an empty file");
    cr_assert_eq(md_image_read(scratch_path(&scratch, "none.png").text, &image, &error), MD_FAILED);
    assert_contains(error.text, "No such file");
}

static int image_fails(const char *path) {
    struct md_image image;
    int status = md_image_read(path, &image, &error);
    cr_assert_eq(status == MD_OK, image.rgb != NULL);
    md_image_free(&image);
    return status != MD_OK;
}

/* The pictures that the tests below break. */
enum { PNG, PNG_INTERLACED, JPEG_GREY, JPEG_COLOUR, JPEG_PROGRESSIVE, PICTURES };

/* Once: what is asked for again is there, and pictures wait for the disk. */
static struct scratch_path write_picture(int kind) {
    struct scratch_path path = scratch_path(&scratch, "whole%d", kind);
    uint8_t rgb[3 * PIXELS];
    if (access(path.text, F_OK) == 0)
        return path;
    fill_noise(rgb, sizeof rgb);
    if (kind == PNG)
        cr_assert_eq(md_png_write_rgb(path.text, rgb, HEIGHT, WIDTH, &error), MD_OK);
    else if (kind == PNG_INTERLACED)
        write_interlaced(path.text, rgb, HEIGHT, WIDTH);
    else
        write_jpeg(path.text, rgb, HEIGHT, WIDTH, kind == JPEG_GREY ? 1 : 3,
                   kind == JPEG_PROGRESSIVE);
    return path;
}

Test(image, every_prefix_is_an_error) {
    for (int kind = 0; kind < PICTURES; kind++)
        if (kind != JPEG_GREY && kind != JPEG_COLOUR) /* jpeg_without_its_end */
            scratch_each_prefix_fails(&scratch, write_picture(kind).text, image_fails, &error);
}

Test(image, no_flipped_bit_crashes) {
    for (int kind = 0; kind < PICTURES; kind++) {
        size_t size;
        unsigned char *bytes = scratch_read(write_picture(kind).text, &size);
        struct scratch_path broken = scratch_path(&scratch, "broken");
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            scratch_write(broken.text, bytes, size);
            image_fails(broken.text);
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        free(bytes);
    }
}

/* PNG's checksum of a chunk (ISO 3309), to forge headers with. */
static uint32_t chunk_checksum(const unsigned char *bytes, size_t count) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void put_big_endian(unsigned char *bytes, uint32_t value, int count) {
    for (int i = count - 1; i >= 0; i--, value >>= 8)
        bytes[i] = (unsigned char)value;
}

Test(image, a_header_that_claims_too_much_is_refused) {
    static const struct {
        unsigned side;
        const char *png, *jpeg;
    } cases[] = {
        {16384, "claims 16384x16384", "claims 16384x16384"},
        {16385, "Invalid IHDR", "found 16385x16385"}, /* libpng has limits of its own */
        {65535, "Invalid IHDR", "Maximum supported image dimension"},
        {0, "Invalid IHDR", "Empty"},
    };
    struct scratch_path path = scratch_path(&scratch, "lie");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        unsigned char *png = scratch_read(write_picture(PNG).text, &size);
        put_big_endian(png + 16, cases[i].side, 4); /* IHDR: width, height, ..., checksum */
        put_big_endian(png + 20, cases[i].side, 4);
        put_big_endian(png + 29, chunk_checksum(png + 12, 17), 4);
        scratch_write(path.text, png, size);
        cr_assert(image_fails(path.text));
        assert_contains(error.text, cases[i].png);
        free(png);

        unsigned char *jpeg = scratch_read(write_picture(JPEG_GREY).text, &size);
        size_t frame = 0;
        while (jpeg[frame] != 0xff || jpeg[frame + 1] != 0xc0)
            frame++;
        put_big_endian(jpeg + frame + 5, cases[i].side, 2); /* after marker, length, precision */
        put_big_endian(jpeg + frame + 7, cases[i].side, 2);
        scratch_write(path.text, jpeg, size);
        cr_assert(image_fails(path.text));
        assert_contains(error.text, cases[i].jpeg);
        free(jpeg);
    }
}

/* The file's bytes from `at` on make room for others, under the name "changed". */
static struct scratch_path insert(const char *path, size_t at, const void *bytes, size_t count) {
    size_t size;
    struct scratch_path changed = scratch_path(&scratch, "changed");
    unsigned char *whole = scratch_read(path, &size), *longer = malloc(size + count);
    cr_assert(longer && at <= size);
    memcpy(longer, whole, at);
    memcpy(longer + at, bytes, count);
    memcpy(longer + at + count, whole + at, size - at);
    scratch_write(changed.text, longer, size + count);
    free(whole);
    free(longer);
    return changed;
}

/* Where a JPEG's first marker of this kind is (in its header no other byte looks like one). */
static size_t find_marker(const char *path, unsigned char kind) {
    size_t size, at = 2;
    unsigned char *bytes = scratch_read(path, &size);
    while (at + 1 < size && (bytes[at] != 0xff || bytes[at + 1] != kind))
        at++;
    cr_assert_lt(at + 1, size);
    free(bytes);
    return at;
}

/* Bytes that are no part of a pixel lose none, wherever they lie. */
Test(image, stray_bytes_in_a_jpeg) {
    static const unsigned char kinds[] = {0xdb, 0xc4, 0xda, 0xd9}, stray[] = {0x11, 0x22, 0x33};
    struct md_image clean;
    for (int kind = JPEG_GREY; kind <= JPEG_COLOUR; kind++) {
        struct scratch_path whole = write_picture(kind);
        cr_assert_eq(md_image_read(whole.text, &clean, &error), MD_OK);
        for (size_t i = 0; i < sizeof kinds; i++) {
            size_t at = find_marker(whole.text, kinds[i]);
            assert_reads_as(insert(whole.text, at, stray, sizeof stray).text, clean.rgb, 0);
        }
        assert_reads_as(insert(whole.text, 2, stray, sizeof stray).text, clean.rgb, 0);
        md_image_free(&clean);
        /* Within the pixels they are an error. */
        size_t scan = find_marker(whole.text, 0xda) + 30;
        cr_assert(image_fails(insert(whole.text, scan, "\xff\xd9", 2).text));
        assert_contains(error.text, "not a sound JPEG: Corrupt JPEG data: premature end");
    }
}

/* The file without its last bytes. */
static struct scratch_path cut(struct scratch_path path, size_t count) {
    struct scratch_path shorter = scratch_path(&scratch, "shorter");
    size_t size;
    unsigned char *bytes = scratch_read(path.text, &size);
    scratch_write(shorter.text, bytes, size - count);
    free(bytes);
    return shorter;
}

/* Without the end marker all pixels are there, unless a scan may be missing; and not without what
 * comes before it. */
Test(image, jpeg_without_its_end) {
    struct md_image clean;
    for (int kind = JPEG_GREY; kind <= JPEG_PROGRESSIVE; kind++) {
        struct scratch_path whole = write_picture(kind);
        for (size_t gone = 1; gone <= 2; gone++) {
            cr_assert_eq(md_image_read(whole.text, &clean, &error), MD_OK);
            if (kind == JPEG_PROGRESSIVE)
                cr_assert(image_fails(cut(whole, gone).text));
            else
                assert_reads_as(cut(whole, gone).text, clean.rgb, 0);
            md_image_free(&clean);
        }
        scratch_each_prefix_fails(&scratch, cut(whole, 2).text, image_fails, &error);
    }
}

/* A TIFF header, and a directory of another entry and the orientation, of `type`. */
static size_t make_tiff(int big_endian, int type, int orientation, unsigned char tiff[64]) {
    const int head[] = {42, 0, 8, 2}; /* of two bytes each, in big-endian order */
    const int is_long = type == 4 && big_endian, is_byte = type == 1 && big_endian;
    const int value_at_8 = is_long ? 0 : is_byte ? orientation << 8 : orientation;
    const int entries[] = {0x100, 3,    0, 1, 48,         0,
                           0x112, type, 0, 1, value_at_8, is_long ? orientation : 0};
    size_t count = 2;
    memcpy(tiff, big_endian ? "MM" : "II", 2);
    for (int i = 0; i < 16; i++, count += 2) {
        int value = i < 4 ? head[i] : entries[i - 4];
        tiff[count] = (unsigned char)(big_endian ? value >> 8 : value);
        tiff[count + 1] = (unsigned char)(big_endian ? value : value >> 8);
    }
    if (!big_endian) { /* the numbers of four bytes have their lower half first */
        memcpy(tiff + 4, "\x08\0\0\0", 4);
        memcpy(tiff + 14, "\x01\0\0\0", 4);
        memcpy(tiff + 26, "\x01\0\0\0", 4);
    }
    return count;
}

static struct scratch_path with_exif(int kind, const unsigned char *tiff, size_t count) {
    unsigned char chunk[100];
    struct scratch_path whole = write_picture(kind);
    if (kind == PNG) { /* behind the signature and IHDR */
        put_big_endian(chunk, (uint32_t)count, 4);
        memcpy(chunk + 4, "eXIf", 4);
        memcpy(chunk + 8, tiff, count);
        put_big_endian(chunk + 8 + count, chunk_checksum(chunk + 4, count + 4), 4);
        return insert(whole.text, 33, chunk, count + 12);
    }
    memcpy(chunk, "\xff\xe1", 2);
    put_big_endian(chunk + 2, (uint32_t)count + 8, 2);
    memcpy(chunk + 4, "Exif\0\0", 6);
    memcpy(chunk + 10, tiff, count);
    return insert(whole.text, 2, chunk, count + 10);
}

Test(image, what_is_to_be_turned_is_refused_by_name) {
    unsigned char tiff[64];
    static const int types[] = {3, 1, 4, 2}; /* SHORT, BYTE, LONG; ASCII: no orientation */
    for (int kind = PNG; kind <= JPEG_COLOUR; kind += JPEG_COLOUR)
        for (int order = 0; order < 2; order++)
            for (int i = 0; i < 40; i++) {
                char wish[60];
                int orientation = i % 10, type = types[i / 10];
                size_t count = make_tiff(order, type, orientation, tiff);
                int turned = type != 2 && orientation >= 2 && orientation <= 8;
                struct scratch_path path = with_exif(kind, tiff, count);
                cr_assert_eq(image_fails(path.text), turned, "%d %d %d", kind, order, orientation);
                snprintf(wish, sizeof wish, "its EXIF orientation is %d, expected 1", orientation);
                if (turned)
                    assert_contains(error.text, wish);
                for (size_t cut = 0; cut < count && turned && type == 3;
                     cut++) /* no crash, whatever it says */
                    image_fails(with_exif(kind, tiff, cut).text);
            }
    memset(tiff + 2, 0xff, sizeof tiff - 2); /* a directory far behind the end */
    cr_assert_not(image_fails(with_exif(PNG, tiff, sizeof tiff).text));
}

Test(image, cmyk_is_refused_by_name) {
    uint8_t cmyk[4 * PIXELS];
    fill_noise(cmyk, sizeof cmyk);
    struct scratch_path path = scratch_path(&scratch, "a.jpg");
    write_jpeg(path.text, cmyk, HEIGHT, WIDTH, 4, false);
    cr_assert(image_fails(path.text));
    assert_contains(error.text, "a.jpg: its colours are CMYK, expected RGB or grey");
}

/* The mean over a target pixel by brute force: both grids are cut into crop * target pieces a side,
 * each of which lies in one source and one target pixel. */
static int naive_area_mean(const struct md_image *image, int top, int left, int crop_height,
                           int crop_width, int height, int width, int y, int x, int channel) {
    long sum = 0, count = 0;
    for (int i = y * crop_height; i < (y + 1) * crop_height; i++) {
        for (int j = x * crop_width; j < (x + 1) * crop_width; j++) {
            int row = top + i / height, column = left + j / width;
            sum += image->rgb[(row * image->width + column) * 3 + channel];
            count++;
        }
    }
    return (int)floor((double)sum / (double)count + 0.5);
}

Test(image, resize_is_the_area_mean) {
    enum { SIDE = 40 };
    static const struct {
        int top, left, crop_height, crop_width, height, width;
    } cases[] = {
        {0, 0, 40, 40, 40, 40}, {3, 5, 27, 27, 8, 8}, {1, 2, 12, 18, 6, 6}, {0, 39, 40, 1, 7, 3},
        {4, 4, 5, 7, 13, 11},   {39, 0, 1, 40, 1, 9}, {9, 8, 31, 29, 1, 1}, {2, 7, 20, 30, 19, 31},
    };
    uint8_t rgb[SIDE * SIDE * 3], planes[SIDE * SIDE * 3];
    const struct md_image image = {SIDE, SIDE, rgb};
    fill_noise(rgb, sizeof rgb);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int height = cases[i].height, width = cases[i].width;
        md_image_resize(&image, cases[i].top, cases[i].left, cases[i].crop_height,
                        cases[i].crop_width, height, width, planes);
        for (int channel = 0; channel < 3; channel++)
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++)
                    cr_assert_eq(planes[(channel * height + y) * width + x],
                                 naive_area_mean(&image, cases[i].top, cases[i].left,
                                                 cases[i].crop_height, cases[i].crop_width, height,
                                                 width, y, x, channel),
                                 "case %zu, channel %d, row %d, column %d", i, channel, y, x);
    }
}
