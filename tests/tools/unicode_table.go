// unicode_table: writes src/base/unicode_table.c from the tables of Go's package unicode. Run by hand:
//
//	go run tests/tools/unicode_table.go > src/base/unicode_table.c
package main

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

// number is read by number_next() of pattern_class.c.
func number(n int) string {
	out := digit(n % 60)
	for n /= 60; n > 0; n /= 30 {
		out = digit(60+n%30) + out
	}
	return out
}

// digit is a character of C that needs no escape and makes no trigraph.
func digit(n int) string {
	c := n + '#'
	if c >= '?' {
		c++
	}
	if c >= '\\' {
		c++
	}
	return string(rune(c))
}

type run struct{ first, count, stride int }

func runs(table *unicode.RangeTable) (out []run) {
	add := func(lo, hi, stride int) {
		if count := (hi-lo)/stride + 1; stride <= 2 {
			out = append(out, run{lo, count, stride})
		} else {
			for ; lo <= hi; lo += stride {
				out = append(out, run{lo, 1, 1})
			}
		}
	}
	for _, r := range table.R16 {
		add(int(r.Lo), int(r.Hi), int(r.Stride))
	}
	for _, r := range table.R32 {
		add(int(r.Lo), int(r.Hi), int(r.Stride))
	}
	return out
}

// encode writes each run's gap to the one before and stride, and its count; `next` is moved on.
func encode(r run, next *int) string {
	gap := r.first - *next
	if r.stride == 2 && r.count == 1 {
		r.stride = 1
	}
	*next = r.first + (r.count-1)*r.stride + 1
	return number(gap*2+r.stride-1) + number(r.count-1)
}

// folds tells of each character the next one that is equal but for its case.
func folds() (out string) {
	type fold struct {
		run
		delta int
	}
	var all []fold
	for c := 0; c <= unicode.MaxRune; c++ {
		delta := int(unicode.SimpleFold(rune(c))) - c
		if delta == 0 {
			continue
		}
		done := false
		for i := len(all) - 1; i >= 0 && i >= len(all)-2 && !done; i-- {
			f := &all[i]
			stride := c - (f.first + (f.count-1)*f.stride)
			if f.delta == delta && stride <= 2 && (f.count == 1 || f.stride == stride) {
				f.stride, done = stride, true
				f.count++
			}
		}
		if !done {
			all = append(all, fold{run{c, 1, 1}, delta})
		}
	}
	before := 0
	for _, f := range all {
		// Two runs of stride 2 interleave: the second begins where the first began.
		next := before
		out += encode(f.run, &next)
		before = f.first
		if f.delta < 0 {
			out += number(-f.delta*2 - 1)
		} else {
			out += number(f.delta * 2)
		}
	}
	return out
}

func literal(text string) {
	const width = 92
	for len(text) > width {
		fmt.Printf("    \"%s\"\n", text[:width])
		text = text[width:]
	}
	fmt.Printf("    \"%s\"", text)
}

func main() {
	long := map[string]string{}
	for name, short := range unicode.CategoryAliases {
		if strings.ToLower(name) != name {
			long[short] = name
		}
	}
	tables := map[string]*unicode.RangeTable{}
	var names []string
	for name, table := range unicode.Categories {
		if len(name) == 2 && name != "Cn" && name != "LC" {
			tables[name], names = table, append(names, name)
		}
	}
	sort.Strings(names)
	var scripts []string
	for name, table := range unicode.Scripts {
		tables[name], scripts = table, append(scripts, name)
	}
	sort.Strings(scripts)

	fmt.Printf("/* unicode_table: made by tests/tools/unicode_table.go from the Unicode character database %s.\n"+
		" * Do not edit. */\n#include \"base/unicode_table.h\"\n\nconst char unicode_classes[] =\n", unicode.Version)
	for _, name := range append(names, scripts...) {
		text, next := name+"!"+long[name]+"!", 0
		for _, r := range runs(tables[name]) {
			text += encode(r, &next)
		}
		literal(text + "!")
		fmt.Println()
	}
	fmt.Printf("    \"\";\n\nconst char unicode_folds[] =\n")
	literal(folds())
	fmt.Printf(";\n")
}
