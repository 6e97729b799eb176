# sbatch
# --parsable
# --chdir=<workspace>
# --output=<workspace>/runs/adhoc/<sweep>/logs/agent.log
#!/bin/bash
#SBATCH --comment='trainconf <sweep> <hash>'
#SBATCH --cpus-per-task=8
#SBATCH --job-name=<sweep>
#SBATCH --mem=6144M
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@15

trap '' USR1
exec <python> -I -S -Xutf8=<mode> <package>/agent/__main__.py '<workspace>/runs/adhoc/<sweep>'
