package archtest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// laidFile is what `go test -overlay` was given: the rules then judge the tree as it looks
// with that laid over it.
var laidFile = flag.String("laid", "", "an overlay, as of go build -overlay, to be judged with the tree")

// layOver puts the overlay's files in the place of the tree's, or beside them.
func layOver(root string, files []file) ([]file, error) {
	if *laidFile == "" {
		return files, nil
	}
	text, err := os.ReadFile(*laidFile)
	if err != nil {
		return nil, err
	}
	var laid struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &laid); err != nil {
		return nil, fmt.Errorf("%s: %w", *laidFile, err)
	}
	at := map[string]int{}
	for i, f := range files {
		at[f.path] = i
	}
	for place, from := range laid.Replace {
		name, err := filepath.Rel(root, place)
		if err != nil || strings.HasPrefix(name, "..") {
			return nil, fmt.Errorf("%s is not in the tree: %w", place, err)
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		f := file{filepath.ToSlash(name), text}
		if i, known := at[f.path]; known {
			files[i] = f
		} else {
			files = append(files, f)
		}
	}
	return files, nil
}
