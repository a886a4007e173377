// The least that `certctl status` has to do, for its benchmark: opens the files that it opens, walks the DER of the leaf by hand, and
// prints a line a lineage. It checks nothing, and trusts every length.
//
//   benchmark-walk TREE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char text[1 << 20];
static unsigned char der[1 << 16];
static signed char value[256];

static void slurp(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) exit(1);
    struct stat status;
    fstat(file, &status);
    size_t count = 0;
    ssize_t got;
    while ((got = read(file, text + count, sizeof text - count - 1)) > 0) count += (size_t)got;
    close(file);
    text[count] = 0;
}

static void decode(void) {
    const char *place = strstr(text, "-----BEGIN ");
    if (place == NULL) exit(1);
    unsigned bits = 0, held = 0;
    size_t count = 0;
    for (place = strchr(place, '\n') + 1; *place != 0 && *place != '-'; place++) {
        if (value[(unsigned char)*place] < 0) continue;
        bits = bits << 6 | (unsigned)value[(unsigned char)*place];
        if ((held += 6) >= 8) der[count++] = (unsigned char)(bits >> (held -= 8));
    }
}

// The end of the element at a place; its contents begin at `contents`.
static int element(int place, int *contents) {
    int length = der[place + 1];
    place += 2;
    if (length >= 128) {
        int octets = length & 127;
        for (length = 0; octets > 0; octets--) length = length << 8 | der[place++];
    }
    *contents = place;
    return place + length;
}

int main(int argc, char **argv) {
    if (argc != 2) return 64;
    memset(value, -1, sizeof value);
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 64; i++) value[(unsigned char)digits[i]] = (signed char)i;

    char path[4096], link[4096], name[256];
    struct stat status;
    struct dirent **confs;
    snprintf(path, sizeof path, "%s/renewal", argv[1]);
    int count = scandir(path, &confs, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (confs[i]->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s", confs[i]->d_name);
        name[strlen(name) - strlen(".conf")] = 0;
        snprintf(path, sizeof path, "%s/renewal/%s.conf", argv[1], name);
        slurp(path);
        static const char *kinds[] = {"cert", "privkey", "chain", "fullchain"};
        for (int kind = 0; kind < 4; kind++) {
            snprintf(path, sizeof path, "%s/live/%s/%s.pem", argv[1], name, kinds[kind]);
            lstat(path, &status);
            (void)!readlink(path, link, sizeof link);
            stat(path, &status);
        }
        snprintf(path, sizeof path, "%s/archive/%s", argv[1], name);
        DIR *archive = opendir(path);
        while (archive != NULL && readdir(archive) != NULL) {}
        if (archive != NULL) closedir(archive);
        static const char *read_kinds[] = {"privkey", "fullchain", "cert"};
        for (int kind = 0; kind < 3; kind++) {
            snprintf(path, sizeof path, "%s/live/%s/%s.pem", argv[1], name, read_kinds[kind]);
            slurp(path);
            decode();
        }
        int place, fields = 0;
        element(0, &place);
        for (int end = element(place, &place); place < end; fields++) {
            int contents;
            place = element(place, &contents);
        }
        printf("%s has %d fields\n", name, fields);
    }
    return 0;
}
