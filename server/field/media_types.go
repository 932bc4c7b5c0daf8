package field

import "slices"

// Types of which the program knows more than the table says: how they are decoded, and in which renditions are made.
const (
	JPEG = "image/jpeg"
	PNG  = "image/png"
	HEIC = "image/heic"
)

// MediaType is a type of file that is taken. A picture is looked into: facts are read from it, and smaller pictures of it are
// made to be seen. A recording is kept as it came.
type MediaType struct {
	Choice
	Ext       string // of a file's name
	Recording bool   // film or sound
	Sound     bool
	Names     []string // other names, as libraries of phones give them
	Bytes     []string // what the bytes of such a file may show, by the names that media/probe gives
}

// What the files of the ISO family call themselves says little: an .m4a without the brand of Apple looks like any MP4, phones
// name a 3GP file .mp4 and a QuickTime film too.
var (
	films  = []string{"video/mp4", "video/x-m4v", "video/quicktime", "video/3gpp", "video/3gpp2"}
	sounds = slices.Concat([]string{"audio/mp4", "audio/x-m4a", "audio/3gpp", "audio/3gpp2"}, films)
)

// MediaTypes are all that are taken, pictures first.
var MediaTypes = []MediaType{
	{
		Choice: Choice{Code: JPEG, ZH: "JPEG", EN: "JPEG"}, Ext: ".jpg",
		Names: []string{"image/jpg", "image/pjpeg"}, Bytes: []string{JPEG},
	},
	{Choice: Choice{Code: PNG, ZH: "PNG", EN: "PNG"}, Ext: ".png", Bytes: []string{PNG}},
	{
		Choice: Choice{Code: HEIC, ZH: "HEIC", EN: "HEIC"}, Ext: ".heic",
		Names: []string{"image/heif"}, Bytes: []string{HEIC, "image/heif", "image/heic-sequence", "image/heif-sequence"},
	},
	{Choice: Choice{Code: "video/mp4", ZH: "视频", EN: "video"}, Ext: ".mp4", Recording: true, Bytes: films},
	{
		Choice: Choice{Code: "video/quicktime", ZH: "视频（MOV）", EN: "video (MOV)"}, Ext: ".mov", Recording: true,
		Names: []string{"video/mov"}, Bytes: films,
	},
	{
		Choice: Choice{Code: "video/3gpp", ZH: "视频（3GP）", EN: "video (3GP)"}, Ext: ".3gp", Recording: true,
		Names: []string{"video/3gp"}, Bytes: films,
	},
	{
		Choice: Choice{Code: "audio/mp4", ZH: "录音", EN: "audio"}, Ext: ".m4a", Recording: true, Sound: true,
		Names: []string{"audio/m4a", "audio/x-m4a"}, Bytes: sounds,
	},
	{
		Choice: Choice{Code: "audio/3gpp", ZH: "录音（3GP）", EN: "audio (3GP)"}, Ext: ".3gp", Recording: true, Sound: true,
		Names: []string{"audio/3gp"}, Bytes: sounds,
	},
}

// MediaTypeOf finds a type by its name, or by another name for it; ok is false when it is not taken.
func MediaTypeOf(name string) (t MediaType, ok bool) {
	return mediaType(func(t MediaType) bool { return t.Code == name || slices.Contains(t.Names, name) })
}

// ShownType finds the first type whose files may have bytes that show this; ok is false when it is not taken.
func ShownType(bytes string) (t MediaType, ok bool) {
	return mediaType(func(t MediaType) bool { return slices.Contains(t.Bytes, bytes) })
}

func mediaType(is func(MediaType) bool) (t MediaType, ok bool) {
	i := slices.IndexFunc(MediaTypes, is)
	if i < 0 {
		return MediaType{}, false
	}
	return MediaTypes[i], true
}

func mediaChoices() (all []Choice) {
	for _, t := range MediaTypes {
		all = append(all, t.Choice)
	}
	return all
}

func mediaNames() map[string]string {
	all := map[string]string{}
	for _, t := range MediaTypes {
		for _, name := range t.Names {
			all[name] = t.Code
		}
	}
	return all
}

// The largest files that are taken, in bytes. An office may set another for pictures.
const (
	DefaultImageMax = 64 << 20
	RecordingMax    = 2 << 30
)

// Max is how many bytes a file of the type may have; imageMax 0 is the default.
func (t MediaType) Max(imageMax int64) int64 {
	switch {
	case t.Recording:
		return RecordingMax
	case imageMax == 0:
		return DefaultImageMax
	}
	return imageMax
}
