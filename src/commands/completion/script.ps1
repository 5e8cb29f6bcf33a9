# PowerShell completion of kubectl-castai_privatelink

Register-ArgumentCompleter -Native -CommandName 'kubectl-castai_privatelink', 'kubectl-castai_privatelink.exe' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
    $current = "$wordToComplete"
    # Old ways of passing arguments drop an empty one unless it is quoted.
    if ($current -eq '' -and ($PSVersionTable.PSVersion -lt [version]'7.3' -or $PSNativeCommandArgumentPassing -eq 'Legacy')) {
        $current = '""'
    }
    $answer = @(& kubectl-castai_privatelink __complete @words $current 2>$null)
    if ($answer.Count -eq 0) { return }
    $directive = [int]$answer[-1].Substring(1)
    # Values of --flag=value come without the flag.
    $flag = if ($wordToComplete -match '^-[^=]*=') { $Matches[0] } else { '' }
    if ($answer.Count -gt 1) {
        $answer[0..($answer.Count - 2)] | ForEach-Object {
            $value, $description = $_ -split "`t", 2
            if (-not $description) { $description = $value }
            [System.Management.Automation.CompletionResult]::new("$flag$value", $value, 'ParameterValue', $description)
        }
    } elseif (($directive -band 4) -eq 0) {
        $path = $wordToComplete.Substring($flag.Length)
        [System.Management.Automation.CompletionCompleters]::CompleteFilename($path) | ForEach-Object {
            $text = "$flag$($_.CompletionText)"
            [System.Management.Automation.CompletionResult]::new($text, $_.ListItemText, $_.ResultType, $_.ToolTip)
        }
    }
}
