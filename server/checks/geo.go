package checks

import "math"

// Point is a position in degrees.
type Point struct{ Lat, Lon float64 }

// earth is the mean radius in metres (IUGG).
const earth = 6_371_008.8

// Distance is the great-circle distance in metres.
func Distance(a, b Point) float64 {
	rad := math.Pi / 180
	dLat, dLon := (b.Lat-a.Lat)*rad, (b.Lon-a.Lon)*rad
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*math.Pow(math.Sin(dLon/2), 2)
	return 2 * earth * math.Asin(math.Min(1, math.Sqrt(h)))
}

// The ellipsoid on which GCJ-02 is defined: Krasovsky 1940.
const (
	krasovskyA  = 6_378_245.0
	krasovskyE2 = 0.00669342162296594323
)

// ToGCJ02 moves a WGS-84 position as maps in China do (GCJ-02). Outside China positions stay.
func ToGCJ02(p Point) Point {
	if p.Lon < 72.004 || p.Lon > 137.8347 || p.Lat < 0.8293 || p.Lat > 55.8271 {
		return p
	}
	x, y := p.Lon-105, p.Lat-35
	wave := (20*math.Sin(6*x*math.Pi) + 20*math.Sin(2*x*math.Pi)) * 2 / 3
	dLat := -100 + 2*x + 3*y + 0.2*y*y + 0.1*x*y + 0.2*math.Sqrt(math.Abs(x)) + wave +
		(20*math.Sin(y*math.Pi)+40*math.Sin(y/3*math.Pi))*2/3 + (160*math.Sin(y/12*math.Pi)+320*math.Sin(y*math.Pi/30))*2/3
	dLon := 300 + x + 2*y + 0.1*x*x + 0.1*x*y + 0.1*math.Sqrt(math.Abs(x)) + wave +
		(20*math.Sin(x*math.Pi)+40*math.Sin(x/3*math.Pi))*2/3 + (150*math.Sin(x/12*math.Pi)+300*math.Sin(x/30*math.Pi))*2/3
	rad := p.Lat * math.Pi / 180
	m := 1 - krasovskyE2*math.Sin(rad)*math.Sin(rad)
	return Point{
		Lat: p.Lat + dLat*180/(krasovskyA*(1-krasovskyE2)/(m*math.Sqrt(m))*math.Pi),
		Lon: p.Lon + dLon*180/(krasovskyA/math.Sqrt(m)*math.Cos(rad)*math.Pi),
	}
}

// FromGCJ02 takes a GCJ-02 position back to WGS-84, to within a millimetre.
func FromGCJ02(p Point) Point { return back(p, ToGCJ02) }

// ToBD09 moves a WGS-84 position as Baidu's maps do (BD-09): from GCJ-02, once more.
func ToBD09(p Point) Point {
	const turn = math.Pi * 3000 / 180
	g := ToGCJ02(p)
	r := math.Hypot(g.Lon, g.Lat) + 0.00002*math.Sin(g.Lat*turn)
	a := math.Atan2(g.Lat, g.Lon) + 0.000003*math.Cos(g.Lon*turn)
	return Point{Lat: r*math.Sin(a) + 0.006, Lon: r*math.Cos(a) + 0.0065}
}

// FromBD09 takes a BD-09 position back to WGS-84, to within a millimetre.
func FromBD09(p Point) Point { return back(p, ToBD09) }

// back finds the position that a map moves to p. The maps move neighbours almost alike, so each step comes closer.
func back(p Point, there func(Point) Point) Point {
	w := p
	for range 12 {
		m := there(w)
		w = Point{Lat: w.Lat + p.Lat - m.Lat, Lon: w.Lon + p.Lon - m.Lon}
	}
	return w
}

// Coordinate systems by their names in records.
const (
	WGS84 = "wgs84"
	GCJ02 = "gcj02"
	BD09  = "bd09"
)

// systems are all of them, for who looks for the one that fits.
var systems = []string{WGS84, GCJ02, BD09}

// Normalise takes a position to WGS-84 from the system that it is stated in, and tells how far off the conversion may
// be, in metres. The official algorithm of GCJ-02 is not published: the formula that is known agrees with maps to
// within 2 m, and BD-09 adds another. A datum that is none of ours is taken as it stands, and a rule asks somebody to
// look: a name is no reason to allow more.
func Normalise(p Point, system string) (Point, float64) {
	switch system {
	case WGS84, "":
		return p, 0
	case GCJ02:
		return FromGCJ02(p), 2
	case BD09:
		return FromBD09(p), 3
	}
	return p, 0
}

// ToWGS84 is Normalise for who does not ask how exact it is.
func ToWGS84(p Point, system string) Point {
	w, _ := Normalise(p, system)
	return w
}

// Area is where a site is: an outline of at least three points, or a point and a radius in metres. WGS-84.
type Area struct {
	Center  *Point
	Radius  float64
	Outline []Point
}

// Known reports whether the area says anything.
func (a Area) Known() bool { return a.Center != nil || len(a.Outline) >= 3 }

// DistanceTo is how far a point lies outside the area, in metres; 0 inside.
func (a Area) DistanceTo(p Point) float64 {
	if len(a.Outline) >= 3 {
		return outside(a.Outline, p)
	}
	return math.Max(0, Distance(*a.Center, p)-a.Radius)
}

// outside works on a plane that touches the Earth at the point: exact enough for the few kilometres of a site.
func outside(outline []Point, p Point) float64 {
	k := math.Pi / 180 * earth
	flat := func(q Point) (x, y float64) {
		return (q.Lon - p.Lon) * k * math.Cos(p.Lat*math.Pi/180), (q.Lat - p.Lat) * k
	}
	nearest, inside := math.Inf(1), false
	for i := range outline {
		ax, ay := flat(outline[i])
		bx, by := flat(outline[(i+1)%len(outline)])
		if (ay > 0) != (by > 0) && 0 < (bx-ax)*(0-ay)/(by-ay)+ax {
			inside = !inside
		}
		t := 0.0
		if l := (bx-ax)*(bx-ax) + (by-ay)*(by-ay); l > 0 {
			t = math.Max(0, math.Min(1, -(ax*(bx-ax)+ay*(by-ay))/l))
		}
		nearest = math.Min(nearest, math.Hypot(ax+t*(bx-ax), ay+t*(by-ay)))
	}
	if inside {
		return 0
	}
	return nearest
}
