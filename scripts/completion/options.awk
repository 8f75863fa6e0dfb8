# SPDX-License-Identifier: GPL-3.0-or-later
#
# options.awk: the options of the programs, from their manuals, for completion.bash.
#
# For each manual NAME.1 it prints four lines of bash: the options without a value, those with one,
# the values of those that have a fixed choice (OPTION=VALUE), and the commands.

FNR == 1 {
	finish()
	name = FILENAME
	sub(/.*\//, "", name)
	sub(/\.1$/, "", name)
	flags = takers = choices = commands = section = ""
}

/^\.Sh / { section = $2 }

/^\.It Cm [a-z][a-z-]*$/ && section == "DESCRIPTION" { commands = commands " " $3 }

/^\.It Fl / { describe($0) }

END { finish() }

function finish() {
	if (name != "") {
		printf "_blk_flags[%s]='%s'\n_blk_takers[%s]='%s'\n", name, substr(flags, 2), name, substr(takers, 2)
		printf "_blk_choices[%s]='%s'\n_blk_commands[%s]='%s'\n", name, substr(choices, 2), name, substr(commands, 2)
	}
}

# An item's names: what follows Fl, or a comma after a name; Ar or Cm says that they take a value.
function describe(line,   word, count, i, j, names, expected, chosen, argument, digit) {
	count = split(line, word, " ")
	names = expected = chosen = argument = ""
	for (i = 2; i <= count; i++) {
		if (word[i] == "Fl" || word[i] == ",")
			expected = 1
		else if (word[i] == "No" && word[i + 1] == "to") {
			for (digit = word[i - 1] + 1; digit < word[i + 3]; digit++)
				names = names " -" digit
			i++
			expected = ""
		} else if (word[i] == "Ar" || word[i] == "Op") {
			argument = 1
			expected = ""
		} else if (word[i] == "Cm" || word[i] == "|" || word[i] == "Ns")
			expected = ""
		else if (expected && word[i] ~ /^-?[A-Za-z0-9][A-Za-z0-9-]*$/) {
			names = names " -" word[i]
			expected = ""
		} else if (names != "" && word[i] ~ /^[a-z0-9-]+$/ && !argument)
			chosen = chosen " " word[i]
	}
	if (argument || chosen != "")
		takers = takers names
	else
		flags = flags names
	if (argument)
		return
	count = split(names, word, " ")
	j = split(chosen, value, " ")
	for (i = 1; i <= count; i++)
		for (digit = 1; digit <= j; digit++)
			choices = choices " " word[i] "=" value[digit]
}
