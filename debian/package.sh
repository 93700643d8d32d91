#!/bin/sh
# Makes a Debian package of what `make install-files` has put into FOLDER/root.
#
#   debian/package.sh FOLDER RECOMMENDS       (from the top folder)
#
# FOLDER/mudepth_VERSION_ARCHITECTURE.deb is the result, as the last line says. DEBFULLNAME and
# DEBEMAIL name the maintainer.
set -eu
folder=$(cd "$1" && pwd) recommends=$2
maintainer="${DEBFULLNAME:-mudepth developers} <${DEBEMAIL:-mudepth@users.noreply.github.com}>"
root=$folder/root doc=usr/share/doc/mudepth
# The commit's time, so that one commit is one package.
time=$(date +%s) name=unknown changes="  * From a folder without its history."
if [ -e .git ]; then
    time=$(git log -1 --format=%ct) name=$(git log -1 --format=%h)
    changes=$(git log -20 --format='  * %s' | fold -s -w 76 | sed 's/^\([^ ]\)/    \1/; s/ *$//')
fi
version=0~$(date -u -d "@$time" +%Y%m%d.%H%M).$name
export SOURCE_DATE_EPOCH="$time"

mkdir -p "$folder/debian" "$root/DEBIAN" "$root/$doc"
sed "s/\${maintainer}/$maintainer/" debian/control >"$folder/debian/control"
printf 'mudepth (%s) unstable; urgency=medium\n\n%s\n\n -- %s  %s\n' "$version" "$changes" \
    "$maintainer" "$(date -R -u -d "@$time")" >"$folder/debian/changelog"
gzip -9nc "$folder/debian/changelog" >"$root/$doc/changelog.gz"
cp debian/copyright "$root/$doc/copyright"
rm "$root/usr/share/mudepth/LICENSE"
gzip -9nf "$root"/usr/share/man/man1/*.1
programs=$(find "$root/usr" -type f \( -path "*/usr/bin/*" -o -path "*/usr/lib/*" \))
# shellcheck disable=SC2086 # a list of paths without spaces
strip --strip-unneeded --remove-section=.comment --remove-section=.note $programs
cd "$folder"
# shellcheck disable=SC2086
dpkg-shlibdeps -O $programs >substvars
dpkg-gencontrol -v"$version" -P"$root" -Tsubstvars -Vrecommends="$recommends"
(cd root && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k2 >DEBIAN/md5sums)
chmod -R u+rwX,go=rX root
dpkg-deb --root-owner-group --build root .
