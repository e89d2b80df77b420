# SPDX-License-Identifier: Apache-2.0
"""The other half of sendmail(8): what its clients carry is understood here."""
