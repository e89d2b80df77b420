# SPDX-License-Identifier: Apache-2.0
"""The Maildirs that zope.sendmail and repoze.sendmail queue mail in."""
